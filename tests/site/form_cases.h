/* SPDX-License-Identifier: MIT */
/*
 * Forms, and what is told of them: name=value| for each field, name(filename,type)=value| for each file,
 * and the name of an error where they fail. In their bytes ~ is CR LF.
 */
#ifndef HOB_TESTS_SITE_FORM_CASES_H
#define HOB_TESTS_SITE_FORM_CASES_H

#include <hob/form.h>

enum { FORM_CASE_BYTES = 65536 };

struct form_case {
    const char   *type, *bytes, *told;
    hob_form_opts opts;
};

#define PAIRS "application/x-www-form-urlencoded"
#define MULTI "multipart/form-data; boundary=b"
#define FIELD "Content-Disposition: form-data; name=\"n\"~"

static const struct form_case FORMS[] = {
    /* ---- pairs: WHATWG URL 5.1 ---- */
    { PAIRS, "", "", { 0 } },
    { PAIRS, "a=b", "a=b|", { 0 } },
    { PAIRS, "a=b&c=d", "a=b|c=d|", { 0 } },
    { PAIRS, "a", "a=|", { 0 } },
    { PAIRS, "a&b", "a=|b=|", { 0 } },
    { PAIRS, "a=", "a=|", { 0 } },
    { PAIRS, "=", "=|", { 0 } },
    { PAIRS, "=b", "=b|", { 0 } },
    { PAIRS, "=&=", "=|=|", { 0 } },
    { PAIRS, "&", "", { 0 } },
    { PAIRS, "&&a=b&&&c=d&", "a=b|c=d|", { 0 } },
    { PAIRS, "a=b=c", "a=b=c|", { 0 } },
    { PAIRS, "a=b%3Dc%26d", "a=b=c&d|", { 0 } },
    { PAIRS, "a+b=c+d%2B", "a b=c d+|", { 0 } },
    { PAIRS, "%61=%62", "a=b|", { 0 } },
    { PAIRS, "a%3d=1", "a==1|", { 0 } },
    { PAIRS, "a=%", "a=%|", { 0 } },
    { PAIRS, "a=%4", "a=%4|", { 0 } },
    { PAIRS, "a=%4&b=%zz&%=%%41", "a=%4|b=%zz|%=%A|", { 0 } },
    { PAIRS, "a=%g1%1g", "a=%g1%1g|", { 0 } },
    { PAIRS, "a=%C3%A4%ff", "a=\xc3\xa4\xff|", { 0 } },
    { PAIRS, "a=~b", "a=\r\nb|", { 0 } },
    { PAIRS, "a;b=c;d", "a;b=c;d|", { 0 } },
    { PAIRS, "a%00=b", "HOB_EHTTP", { 0 } },
    { PAIRS, "a=1&b%00", "a=1|HOB_EHTTP", { 0 } },
    { PAIRS, "abcdefghij=1", "abcdefghij=1|", { .name_bytes_max = 10 } },
    { PAIRS, "abcdefghijk=1", "EMSGSIZE", { .name_bytes_max = 10 } },
    { PAIRS, "a=1234567890", "a=1234567890|", { .field_bytes_max = 10 } },
    { PAIRS, "a=12345678901", "EMSGSIZE", { .field_bytes_max = 10 } },
    { PAIRS, "a=%31%32%33", "a=123|", { .field_bytes_max = 3 } },
    { PAIRS, "a=1&b=2&c=3", "a=1|b=2|c=3|", { .parts_max = 3 } },
    { PAIRS, "a=1&b=2&c=3&d", "a=1|b=2|c=3|EMSGSIZE", { .parts_max = 3 } },
    { PAIRS, "aa=11&bb=22", "aa=11|bb=22|", { .fields_bytes_max = 8 } },
    { PAIRS, "aa=11&bb=223", "aa=11|EMSGSIZE", { .fields_bytes_max = 8 } },
    { PAIRS "; charset=utf-8", "a=b", "a=b|", { 0 } },
    { "APPLICATION/X-WWW-FORM-URLENCODED", "a=b", "a=b|", { 0 } },

    /* ---- what is no form ---- */
    { NULL, "a=b", "EOPNOTSUPP", { 0 } },
    { "", "a=b", "EOPNOTSUPP", { 0 } },
    { "text/plain", "a=b", "EOPNOTSUPP", { 0 } },
    { "application/x-www-form-urlencoded2", "a=b", "EOPNOTSUPP", { 0 } },
    { "multipart/form-data", "--b--", "EOPNOTSUPP", { 0 } },
    { "multipart/form-data; boundary=", "--b--", "EOPNOTSUPP", { 0 } },
    { "multipart/form-data; boundary=\"\"", "--b--", "EOPNOTSUPP", { 0 } },
    { "multipart/form-data; boundary=\"b", "--b--", "EOPNOTSUPP", { 0 } },
    { "multipart/form-data; boundary=b; boundary=c", "--b--", "EOPNOTSUPP", { 0 } },
    { "multipart/form-data; boundary=\"b \"", "--b --", "EOPNOTSUPP", { 0 } },
    { "multipart/form-data; boundary=\"b@\"", "--b@--", "EOPNOTSUPP", { 0 } },
    { "multipart/form-data; boundary=b b", "--b--", "EOPNOTSUPP", { 0 } },
    { "multipart/form-data boundary=b", "--b--", "EOPNOTSUPP", { 0 } },
    { "multipart/mixed; boundary=b", "--b--", "EOPNOTSUPP", { 0 } },
    { "multipart/form-data; boundary=12345678901234567890123456789012345678901234567890123456789012345678901", "", "EOPNOTSUPP", { 0 } },

    /* ---- multipart ---- */
    { MULTI, "--b--", "", { 0 } },
    { MULTI, "--b--~", "", { 0 } },
    { MULTI, "--b-- \t ~epilogue~--b~", "", { 0 } },
    { MULTI, "--b~" FIELD "~value~--b--~", "n=value|", { 0 } },
    { MULTI, "--b~" FIELD "~value~--b--", "n=value|", { 0 } },
    { MULTI, "--b \t~" FIELD "~value~--b\t ~" FIELD "~2~--b--", "n=value|n=2|", { 0 } },
    { MULTI, "preamble~~--b~" FIELD "~value~--b--~", "n=value|", { 0 } },
    { MULTI, "~--b~" FIELD "~value~--b--~", "n=value|", { 0 } },
    { MULTI, "--bx~--b~" FIELD "~value~--b--~", "HOB_EHTTP", { 0 } },
    { MULTI, "--b~" FIELD "~~--b--~", "n=|", { 0 } },
    { MULTI, "--b~" FIELD "~--b--~", "n=|", { 0 } },
    { MULTI, "--b~" FIELD "~--b~" FIELD "~x~--b--~", "n=|n=x|", { 0 } },
    { MULTI, "--b~" FIELD "~~~--b--~", "n=\r\n|", { 0 } },
    { MULTI, "--b~" FIELD "~\r~--b--~", "n=\r|", { 0 } },
    { MULTI, "--b~" FIELD "~\r\r\r~--b--~", "n=\r\r\r|", { 0 } },
    { MULTI, "--b~" FIELD "~~-~--~--a~--b--~", "n=\r\n-\r\n--\r\n--a|", { 0 } },
    { MULTI, "--b~" FIELD "~a--b--b~--b--~", "n=a--b--b|", { 0 } },
    { MULTI, "--b~" FIELD "~a\n--b\n~--b--~", "n=a\n--b\n|", { 0 } },
    { MULTI, "--b~" FIELD "~a&b=c%41+~--b--~", "n=a&b=c%41+|", { 0 } },
    { MULTI, "--b~content-disposition:FORM-DATA;name=n~~1~--b--", "n=1|", { 0 } },
    { MULTI, "--b~Content-Disposition:\tform-data ; name = n~~1~--b--", "HOB_EHTTP", { 0 } },
    { MULTI, "--b~Content-Disposition: form-data; name=n; filename=f~~1~--b--", "n(f)=1|", { 0 } },
    { MULTI, "--b~Content-Disposition: form-data;name=n;filename=f~~1~--b--", "n(f)=1|", { 0 } },
    { MULTI, "--b~Content-Disposition: form-data; filename=\"f\" ; name=\"n\" ~~1~--b--", "n(f)=1|", { 0 } },
    { MULTI, "--b~Content-Disposition: form-data; name=\"n\"; filename=\"\"~Content-Type: application/octet-stream~~~--b--",
      "n(,application/octet-stream)=|", { 0 } },
    { MULTI, "--b~Content-Type: text/plain~" FIELD "~1~--b--", "n,text/plain=1|", { 0 } },
    { MULTI, "--b~Content-Disposition: form-data; name=\"a\\\"b\\\\c\\d\"~~1~--b--", "a\"b\\c\\d=1|", { 0 } },
    { MULTI, "--b~Content-Disposition: form-data; name=\"a%22b\"~~1~--b--", "a%22b=1|", { 0 } },
    { MULTI, "--b~Content-Disposition: form-data; name=\"n\"; filename=\"C:\\x\\f.txt\"~~1~--b--", "n(C:\\x\\f.txt)=1|", { 0 } },
    { MULTI, "--b~Content-Disposition: form-data; name=\"n\"; filename=\"../../etc/passwd\"~~1~--b--", "n(../../etc/passwd)=1|", { 0 } },
    { MULTI, "--b~Content-Disposition: form-data; name=\"n\"; filename=\"a;b=c\"~~1~--b--", "n(a;b=c)=1|", { 0 } },
    { MULTI, "--b~Content-Disposition: form-data; name=\"n\"; filename*=UTF-8''f~~1~--b--", "n=1|", { 0 } },
    { MULTI, "--b~Content-Disposition: form-data; name=\"\xc3\xa4\"~~1~--b--", "\xc3\xa4=1|", { 0 } },
    { MULTI, "--b~Content-Disposition: form-data; name=\"\"~~1~--b--", "=1|", { 0 } },
    { MULTI, "--b~" FIELD "Content-Transfer-Encoding: 8bit~X-Other: x~~1~--b--", "n=1|", { 0 } },
    { "multipart/form-data; boundary=\"a b'()+_,-./:=?c\"", "--a b'()+_,-./:=?c~" FIELD "~1~--a b'()+_,-./:=?c--", "n=1|", { 0 } },
    { "multipart/form-data; charset=utf-8; boundary=b", "--b~" FIELD "~1~--b--", "n=1|", { 0 } },
    { "Multipart/Form-Data;BOUNDARY=b", "--b~" FIELD "~1~--b--", "n=1|", { 0 } },
    { "multipart/form-data; boundary=----WebKitFormBoundaryx", "------WebKitFormBoundaryx~" FIELD
      "~1~------WebKitFormBoundaryx--~", "n=1|", { 0 } },

    /* ---- multipart that is none ---- */
    { MULTI, "", "HOB_EHTTP", { 0 } },
    { MULTI, "-", "HOB_EHTTP", { 0 } },
    { MULTI, "--b", "HOB_EHTTP", { 0 } },
    { MULTI, "--b-", "HOB_EHTTP", { 0 } },
    { MULTI, "--b-x", "HOB_EHTTP", { 0 } },
    { MULTI, "--b--x", "HOB_EHTTP", { 0 } },
    { MULTI, "--b~", "HOB_EHTTP", { 0 } },
    { MULTI, "--b~" FIELD, "HOB_EHTTP", { 0 } },
    { MULTI, "--b~" FIELD "~", "HOB_EHTTP", { 0 } },
    { MULTI, "--b~" FIELD "~value", "HOB_EHTTP", { 0 } },
    { MULTI, "--b~" FIELD "~value~--b", "HOB_EHTTP", { 0 } },
    { MULTI, "--b~" FIELD "~value~--b~", "HOB_EHTTP", { 0 } },
    { MULTI, "--b~" FIELD "~value~--bb~" FIELD "~x~--b--", "HOB_EHTTP", { 0 } },
    { MULTI, "--b~" FIELD "~value~--b x~" FIELD "~x~--b--", "HOB_EHTTP", { 0 } },
    { MULTI, "--b\n" FIELD "~value~--b--", "HOB_EHTTP", { 0 } },
    { MULTI, "--b~~value~--b--", "HOB_EHTTP", { 0 } },
    { MULTI, "--b~X: y~~value~--b--", "HOB_EHTTP", { 0 } },
    { MULTI, "--b~Content-Disposition: form-data~~1~--b--", "HOB_EHTTP", { 0 } },
    { MULTI, "--b~Content-Disposition: form-data; filename=f~~1~--b--", "HOB_EHTTP", { 0 } },
    { MULTI, "--b~Content-Disposition: attachment; name=n~~1~--b--", "HOB_EHTTP", { 0 } },
    { MULTI, "--b~Content-Disposition: form-data; name=n; name=m~~1~--b--", "HOB_EHTTP", { 0 } },
    { MULTI, "--b~Content-Disposition: form-data; name=n; filename=f; filename=g~~1~--b--", "HOB_EHTTP", { 0 } },
    { MULTI, "--b~Content-Disposition: form-data; name=n;~~1~--b--", "HOB_EHTTP", { 0 } },
    { MULTI, "--b~Content-Disposition: form-data; name=~~1~--b--", "HOB_EHTTP", { 0 } },
    { MULTI, "--b~Content-Disposition: form-data; name~~1~--b--", "HOB_EHTTP", { 0 } },
    { MULTI, "--b~Content-Disposition: form-data; name=\"n~~1~--b--", "HOB_EHTTP", { 0 } },
    { MULTI, "--b~Content-Disposition: form-data; name=\"n\"x~~1~--b--", "HOB_EHTTP", { 0 } },
    { MULTI, "--b~Content-Disposition: form-data; name=a b~~1~--b--", "HOB_EHTTP", { 0 } },
    { MULTI, "--b~Content-Disposition: form-data name=n~~1~--b--", "HOB_EHTTP", { 0 } },
    { MULTI, "--b~" FIELD FIELD "~1~--b--", "HOB_EHTTP", { 0 } },
    { MULTI, "--b~" FIELD "Content-Type: a/b~Content-Type: c/d~~1~--b--", "HOB_EHTTP", { 0 } },
    { MULTI, "--b~" FIELD "Content-Transfer-Encoding: base64~~1~--b--", "HOB_EHTTP", { 0 } },
    { MULTI, "--b~" FIELD " folded~~1~--b--", "HOB_EHTTP", { 0 } },
    { MULTI, "--b~" FIELD "X : y~~1~--b--", "HOB_EHTTP", { 0 } },
    { MULTI, "--b~" FIELD ": y~~1~--b--", "HOB_EHTTP", { 0 } },
    { MULTI, "--b~" FIELD "X~~1~--b--", "HOB_EHTTP", { 0 } },
    { MULTI, "--b~" FIELD "X: \r~~1~--b--", "HOB_EHTTP", { 0 } },
    { MULTI, "--b~" FIELD "X: a\nY: b~~1~--b--", "HOB_EHTTP", { 0 } },
    { MULTI, "--b~" FIELD "X: \x01~~1~--b--", "HOB_EHTTP", { 0 } },
    { MULTI, "--b~" FIELD "X: \\0~~1~--b--", "HOB_EHTTP", { 0 } },
    { MULTI, "--b                                                                         ~" FIELD "~1~--b--", "HOB_EHTTP", { 0 } },

    /* ---- limits ---- */
    { MULTI, "--b~" FIELD "~1~--b~" FIELD "~2~--b--", "n=1|n=2|", { .parts_max = 2 } },
    { MULTI, "--b~" FIELD "~1~--b~" FIELD "~2~--b--", "n=1|EMSGSIZE", { .parts_max = 1 } },
    { MULTI, "--b~Content-Disposition: form-data; name=nnn~~1~--b--", "nnn=1|", { .name_bytes_max = 3 } },
    { MULTI, "--b~Content-Disposition: form-data; name=nnnn~~1~--b--", "EMSGSIZE", { .name_bytes_max = 3 } },
    { MULTI, "--b~Content-Disposition: form-data; name=n; filename=ffff~~1~--b--", "EMSGSIZE", { .name_bytes_max = 3 } },
    { MULTI, "--b~Content-Disposition: form-data; name=n; filename=f~~1~--b--", "n(f)=1|", { .files_max = 1 } },
    { MULTI, "--b~Content-Disposition: form-data; name=n; filename=f~~1~--b~Content-Disposition: form-data; name=n; filename=f~~1~--b--",
      "n(f)=1|EMSGSIZE", { .files_max = 1 } },
    { MULTI, "--b~" FIELD "~12345~--b--", "n=12345|", { .field_bytes_max = 5, .file_bytes_max = 1 } },
    { MULTI, "--b~" FIELD "~123456~--b--", "EMSGSIZE", { .field_bytes_max = 5 } },
    { MULTI, "--b~Content-Disposition: form-data; name=n; filename=f~~12345~--b--", "n(f)=12345|", { .file_bytes_max = 5, .field_bytes_max = 1 } },
    { MULTI, "--b~Content-Disposition: form-data; name=n; filename=f~~123456~--b--", "EMSGSIZE", { .file_bytes_max = 5 } },
    { MULTI, "--b~" FIELD "~12~--b~" FIELD "~34~--b--", "n=12|n=34|", { .fields_bytes_max = 6 } },
    { MULTI, "--b~" FIELD "~12~--b~" FIELD "~345~--b--", "n=12|EMSGSIZE", { .fields_bytes_max = 6 } },
    { MULTI, "--b~" FIELD "~1~--b--", "n=1|", { .head_bytes_max = 42 } },
    { MULTI, "--b~" FIELD "X: ~~1~--b--", "EMSGSIZE", { .head_bytes_max = 42 } },
    { MULTI, "--b~" FIELD "X: 12345678901234567890", "EMSGSIZE", { .head_bytes_max = 42 } },
};

static inline size_t form_case_bytes(const struct form_case *c, char *out)
{
    size_t n = 0;
    for (const char *at = c->bytes; *at != '\0'; at++) {
        if (*at == '~') {
            out[n++] = '\r';
            out[n++] = '\n';
        } else if (*at == '\\' && at[1] == '0') {
            out[n++] = '\0';
            at++;
        } else {
            out[n++] = *at;
        }
    }
    return n;
}

#endif
