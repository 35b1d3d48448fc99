/* SPDX-License-Identifier: MIT */
/*
 * URLs that are seen through at a glance: what is found is what libcurl finds, or it is left to libcurl.
 */
#include "fetch/peers.h"
#include "fetch/url.h"

/* As libcurl reads it: a reference in any URL, that is a whole one, is that one. */
static int by_libcurl(const char *text, struct fetch_url *ret_url)
{
    const char *why;
    return hob__fetch_url_read("http://other.example/", text, ret_url, &why);
}

static bool same_part(CURLU *ours, CURLU *theirs, CURLUPart part)
{
    char     *a = NULL, *b = NULL;
    CURLUcode our_code = curl_url_get(ours, part, &a, 0), code = curl_url_get(theirs, part, &b, 0);
    bool      is_same = our_code == code && (code != CURLUE_OK || strcmp(a, b) == 0);
    curl_free(a);
    curl_free(b);
    return is_same;
}

/* Also what libcurl is given in the place of the text. */
static bool same_parts(CURLU *ours, CURLU *theirs)
{
    static const CURLUPart PARTS[] = { CURLUPART_SCHEME, CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_HOST,
                                       CURLUPART_PORT, CURLUPART_PATH, CURLUPART_QUERY, CURLUPART_FRAGMENT,
                                       CURLUPART_URL };
    for (size_t i = 0; i < sizeof PARTS / sizeof PARTS[0]; i++) {
        if (!same_part(ours, theirs, PARTS[i]))
            return false;
    }
    return true;
}

/* Returns whether it was plain. */
static bool compare(const char *text)
{
    struct fetch_url ours, theirs;
    if (hob__fetch_url_plain(text, &ours) == 0)
        return false;
    int r = by_libcurl(text, &theirs);
    if (r < 0)
        fail("\"%s\" was taken, and libcurl says %s", text, hob_error_name(r));
    if (strcmp(ours.text, theirs.text) != 0 || strcmp(ours.host, theirs.host) != 0
        || ours.port != theirs.port || ours.is_tls != theirs.is_tls || ours.is_address != theirs.is_address)
        fail("\"%s\" is %s at %s:%u, and for libcurl %s at %s:%u", text, ours.text, ours.host, ours.port,
             theirs.text, theirs.host, theirs.port);
    if (!same_parts(ours.parts, theirs.parts))
        fail("the parts of \"%s\" are not those that libcurl finds", text);
    hob__fetch_url_fini(&ours);
    hob__fetch_url_fini(&theirs);
    return true;
}

HOB_TEST(fetch_url, what_most_urls_look_like_is_plain)
{
    static const char *const PLAIN[] = {
        "http://example.com/", "https://example.com/", "http://127.0.0.1:8080/json",
        "https://api.shop.example/v1/things/42?page=2&sort=name", "http://localhost:65535/a.b/c_d~e",
        "http://a/", "http://x--y.z9/;a=1,2:3+4//", "http://example.com:80/", "http://0.0.0.0/",
    };
    for (size_t i = 0; i < sizeof PLAIN / sizeof PLAIN[0]; i++)
        check(compare(PLAIN[i]));
}

HOB_TEST(fetch_url, what_means_something_else_is_left_to_libcurl)
{
    static const char *const STRANGE[] = {
        "", "http", "http:/", "http://", "http:///", "http://:80/", "ftp://a/", "HTTP://a/", "http://A/",
        "http://a", "http://a?b", "http://a/?", "http://a/#b", "http://a/b/../c", "http://a/./b", "http://a/b/..",
        "http://a/.", "http://a/%41", "http://a/ b", "http://a/\r\n", "http://a/\x7f", "http://a/\xc3\xa4",
        "http://u@a/", "http://u:p@a/", "http://a:b@c/", "http://[::1]/", "http://127.1/", "http://0x7f.1/",
        "http://2130706433/", "http://0177.0.0.1/", "http://1.2.3.4.5/", "http://256.1.1.1/", "http://1.2.3.04/",
        "http://a./", "http://.a/", "http://a..b/", "http://-a/", "http://a:/", "http://a:0/", "http://a:00/",
        "http://a:080/", "http://a:65536/", "http://a:99999999999/", "http://a:+1/", "http://a:1x/", "http://a_b/",
        "http://a\\b/", "http:\\\\a/", "http://a/b\\c", "http://a/{}", "http://a/\"", "http://a/@", "//a/", "/a",
    };
    struct fetch_url url;
    for (size_t i = 0; i < sizeof STRANGE / sizeof STRANGE[0]; i++) {
        if (hob__fetch_url_plain(STRANGE[i], &url) != 0)
            fail("\"%s\" was taken", STRANGE[i]);
    }
    char long_name[400] = "http://";
    memset(long_name + 7, 'a', 254);
    strcpy(long_name + 7 + 254, "/");
    check_eq(hob__fetch_url_plain(long_name, &url), 0);
    strcpy(long_name + 7 + 253, "/");
    check(compare(long_name));
}

HOB_TEST(fetch_url, no_text_is_read_otherwise_than_libcurl_reads_it)
{
    static const char *const PIECES[] = {
        "http://", "https://", "a", "example.com", "b.c", "127.0.0.1", "10.1", "0x1f", "1", "0", "255", ".", "..",
        "-", ":", "80", "8080", "/", "//", "/.", "/../", "?", "?a=b", "&", "=", "#", "@", "%41", "%", "_", "~",
        "[", "::1", "]", " ", "\t", "A", ";", ",", "+", "\\", "\xc3\xa4", "xn--a", "'", "$",
    };
    int plain = 0;
    for (int i = 0; i < 20000; i++) {
        char text[400];
        strcpy(text, PIECES[hob_random() % 2]);
        for (int n = (int)(hob_random() % 7); n >= 0; n--)
            strcat(text, PIECES[hob_random() % (sizeof PIECES / sizeof PIECES[0])]);
        if (hob_random() % 2 == 0)
            strcat(text, "/");
        plain += compare(text);
    }
    check_gt(plain, 100); // there was something to compare
}
