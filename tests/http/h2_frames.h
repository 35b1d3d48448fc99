/* SPDX-License-Identifier: MIT */
/*
 * What a client of HTTP/2 may say, and what must come of it: { outcome, what it is, the script }.
 *
 * Scripts are those of h2_peer.h; each begins with PRI unless it begins with !. The outcome is what the
 * server said, in its order: ID=STATUS when an answer is whole, ID!CODE for RST_STREAM, goaway:CODE for a
 * GOAWAY with an error; in any order; "or" stands between those that are right, as the answer was there
 * before what follows came, or was not. The client says no more then, and hears to the end.
 *
 * Paths: /wait answers after a moment; others at once, when the body has come.
 */
#ifndef HOB_TESTS_HTTP_H2_FRAMES_H
#define HOB_TESTS_HTTP_H2_FRAMES_H

struct h2_case {
    const char *outcome, *what, *script;
};

static const struct h2_case H2_CASES[] = {
#define HEAD ":method=GET|:scheme=http|:path=/|:authority=a"
#define POST ":method=POST|:scheme=http|:path=/|:authority=a"
    /* ---- Requests */
    { "", "only a preface", "" },
    { "1=200", "a request", "get:1" },
    { "1=200 3=200 5=200", "three", "get:1 get:3 get:5" },
    { "1=200 7=200", "ids that are left out", "get:1 get:7" },
    { "1=200", "a body", "post:1 data:1:hello end:1:you" },
    { "1=200", "a body that ends by an empty frame", "post:1 data:1:hello end:1:" },
    { "1=200", "trailers", "post:1 data:1:hello head:1:5:x-a=b" },
    { "1=200", "trailers and no body", "post:1 head:1:5:x-a=b" },
    { "3=200 1=200", "one that waits does not stop the next", "get:1:/wait get:3" },
    { "1=200", "padding", "f:1:13:1:03828684410161000000" },
    { "1=200", "padded data", "post:1 f:0:9:1:0261620000" },
    { "1=200", "a priority in HEADERS", "f:1:37:1:000000030f828684410161" },
    { "1=200", "a head in two frames", "f:1:1:1:8286 f:9:4:1:84410161" },
    { "1=200", "a head in frames, some of them empty", "f:1:1:1: f:9:0:1: f:9:0:1:828684 f:9:4:1:410161" },
    { "1=200", "unknown frames are ignored", "f:77:255:0:0102 get:1 f:99:0:1:" },
    { "1=200", "unknown settings are ignored", "set:0x99=1 get:1" },
    { "1=200", "unknown flags are ignored", "f:1:215:1:828684410161" },
    { "1=200", "a PING", "ping get:1" },
    { "1=200", "an answer to a PING that nobody sent", "ack get:1" },
    { "1=200", "an answer to our SETTINGS", "setack get:1" },
    { "1=200", "GOAWAY of the client, and its request is finished", "get:1:/wait goaway:0" },
    { "1=200", "an extended PRIORITY_UPDATE", "f:16:0:0:00000001753d30 get:1" },
    { "1=200", "a cookie in crumbs", "head:1:5:" HEAD "|cookie=a|cookie=b" },
    { "1=200", "te: trailers", "head:1:5:" HEAD "|te=trailers" },
    { "1=200", "a Host and no :authority", "head:1:5::method=GET|:scheme=http|:path=/|host=a" },
    { "1=200", "both, and the same", "head:1:5:" HEAD "|host=a" },
    { "1=200", "OPTIONS *", "head:1:5::method=OPTIONS|:scheme=http|:path=*|:authority=a" },
    { "1=200", "a length that is true", "head:1:4:" POST "|content-length=5 end:1:hello" },
    { "1=200 or 1=100 1=200", "Expect: 100-continue", "head:1:4:" POST "|content-length=5|expect=100-continue f:6:1:0:0000000000000000 f:77:0:0: data:1:hel end:1:lo" },

    /* ---- The preface */
    { "goaway:1", "no SETTINGS behind it", "!x:505249202a20485454502f322e300d0a0d0a534d0d0a0d0a get:1" },
    { "", "only that", "!x:505249202a20485454502f322e300d0a0d0a534d0d0a0d0a" },

    /* ---- Frames on a stream that is idle: RFC 9113 5.1 */
    { "goaway:1", "DATA on an idle stream", "data:1:a" },
    { "goaway:1", "RST_STREAM on an idle stream", "rst:1:8" },
    { "goaway:1", "WINDOW_UPDATE on an idle stream", "win:1:1" },
    { "goaway:1", "CONTINUATION on an idle stream", "f:9:4:1:82" },
    { "goaway:1", "PUSH_PROMISE of a client", "f:5:4:1:0000000282" },
    { "1=200", "PRIORITY on an idle stream", "prio:1:0 get:1" },
    { "goaway:1", "an even id", "get:2" },
    { "5=200", "an id that goes back", "get:5:/wait get:3" },

    /* ---- on one that is open */
    { "1!1", "a second HEADERS that does not end it", "post:1 head:1:4:x-a=b" },
    { "1!1", "pseudo-headers in trailers", "post:1 head:1:5::path=/" },
    { "1=200", "WINDOW_UPDATE on an open stream", "post:1 win:1:5 end:1:a" },
    { "1=200", "PRIORITY on an open stream", "post:1 prio:1:0 end:1:a" },
    { "", "RST_STREAM on an open stream", "post:1 rst:1:8" },
    { "goaway:1", "CONTINUATION without HEADERS", "post:1 f:9:4:1:82" },
    { "1!8", "the connection ends in a body", "post:1 data:1:a" },

    /* ---- on one that is half closed (the client has ended) */
    { "goaway:5", "DATA on a half-closed stream", "get:1:/wait data:1:a" },
    { "goaway:5", "HEADERS on a half-closed stream", "get:1:/wait get:1" },
    { "1=200", "WINDOW_UPDATE on a half-closed stream", "get:1:/wait win:1:5" },
    { "1=200", "PRIORITY on a half-closed stream", "get:1:/wait prio:1:0" },
    { "", "RST_STREAM on a half-closed stream", "get:1:/wait rst:1:8" },

    /* ---- on one that is closed */
    { "goaway:5 or 1=200 goaway:5 or 1=200", "DATA on a closed stream", "get:1 data:1:a" },
    { "goaway:5 or 1=200 goaway:5 or 1=200", "HEADERS on a closed stream", "get:1 get:1" },
    { "1=200", "WINDOW_UPDATE on a closed stream", "get:1 win:1:5" },
    { " or 1=200", "RST_STREAM on a closed stream", "get:1 rst:1:8" },
    { "1=200", "PRIORITY on a closed stream", "get:1 prio:1:0" },
    { "3=200", "DATA on a stream that was reset", "post:1 rst:1:8 data:1:abc get:3" },

    /* ---- on stream 0, or only there */
    { "goaway:1", "DATA on stream 0", "data:0:a" },
    { "goaway:1", "HEADERS on stream 0", "get:0" },
    { "goaway:1", "PRIORITY on stream 0", "prio:0:1" },
    { "goaway:1", "RST_STREAM on stream 0", "rst:0:8" },
    { "goaway:1", "CONTINUATION on stream 0", "f:9:4:0:82" },
    { "goaway:1", "SETTINGS on a stream", "f:4:0:1:" },
    { "goaway:1", "PING on a stream", "f:6:0:1:0000000000000000" },
    { "goaway:1", "GOAWAY on a stream", "f:7:0:1:0000000000000000" },

    /* ---- Lengths */
    { "goaway:6", "SETTINGS of five bytes", "f:4:0:0:0000000000" },
    { "goaway:6", "an answer to SETTINGS with something in it", "f:4:1:0:000100000000" },
    { "goaway:6", "PING of seven bytes", "f:6:0:0:00000000000000" },
    { "goaway:6", "RST_STREAM of three bytes", "post:1 f:3:0:1:000000" },
    { "goaway:6", "WINDOW_UPDATE of five bytes", "f:8:0:0:0000000001" },
    { "goaway:6", "PRIORITY of four bytes", "f:2:0:1:00000000" },
    { "goaway:6", "GOAWAY of seven bytes", "f:7:0:0:00000000000000" },
    { "goaway:6", "a frame of 16,385 bytes", "post:1 x:004001000000000001" },
    { "goaway:6", "a frame of 16 MB", "x:ffffff000000000001" },
    { "goaway:1", "padding that is all of it, and more", "post:1 f:0:8:1:05616263" },
    { "goaway:1", "padding longer than a head", "f:1:13:1:ff8286" },
    { "goaway:1", "PADDED without a length", "post:1 f:0:8:1:" },

    /* ---- Settings and windows */
    { "goaway:1", "ENABLE_PUSH of 2", "set:2=2" },
    { "goaway:3", "a window of 2^31", "set:4=2147483648" },
    { "goaway:1", "frames of 16,383 bytes", "set:5=16383" },
    { "goaway:1", "frames of 2^24 bytes", "set:5=16777216" },
    { "", "a setting that is taken back (RFC 8441)", "set:8=1 set:8=0" },
    { "goaway:1", "WINDOW_UPDATE of 0 on the connection", "win:0:0" },
    { "goaway:1", "WINDOW_UPDATE of 0 on a stream", "get:1:/wait win:1:0" },
    { "goaway:3", "a window of the connection over 2^31 - 1", "win:0:0x7fffffff" },
    { "1!3", "a window of a stream over 2^31 - 1", "get:1:/wait win:1:0x7fffffff" },
    { "1!3", "a first window that makes an open one too large", "get:1:/wait win:1:0x7fff0000 set:4=0x7fffffff" },

    /* ---- Heads: RFC 9113 8 */
    { "1!1", "no :method", "head:1:5::scheme=http|:path=/|:authority=a" },
    { "1!1", "no :scheme", "head:1:5::method=GET|:path=/|:authority=a" },
    { "1!1", "no :path", "head:1:5::method=GET|:scheme=http|:authority=a" },
    { "1!1", "no :authority and no Host", "head:1:5::method=GET|:scheme=http|:path=/" },
    { "1!1", "an empty :path", "head:1:5::method=GET|:scheme=http|:path=|:authority=a" },
    { "1!1", ":method twice", "head:1:5::method=GET|" HEAD },
    { "1!1", ":path twice", "head:1:5:" HEAD "|:path=/" },
    { "1!1", "a late pseudo-header", "head:1:5::method=GET|:scheme=http|:path=/|x=y|:authority=a" },
    { "1!1", "an unknown pseudo-header", "head:1:5:" HEAD "|:what=a" },
    { "1!1", "one of answers", "head:1:5:" HEAD "|:status=200" },
    { "1!1", "upper case", "head:1:5:" HEAD "|X-A=b" },
    { "1!1", "an empty name", "head:1:5:" HEAD "|=b" },
    { "1!1", "a blank in a name", "head:1:5:" HEAD "|a_b=c" },
    { "1!1", "Connection", "head:1:5:" HEAD "|connection=close" },
    { "1!1", "Keep-Alive", "head:1:5:" HEAD "|keep-alive=5" },
    { "1!1", "Proxy-Connection", "head:1:5:" HEAD "|proxy-connection=close" },
    { "1!1", "Transfer-Encoding", "head:1:4:" POST "|transfer-encoding=chunked" },
    { "1!1", "Upgrade", "head:1:5:" HEAD "|upgrade=websocket" },
    { "1!1", "TE of something else", "head:1:5:" HEAD "|te=gzip" },
    { "1!1", "LF in a value", "head:1:5:" HEAD "|x=a\\nb" },
    { "1!1", "CR in a value", "head:1:5:" HEAD "|x=a\\rb" },
    { "1!1", "NUL in a value", "head:1:5:" HEAD "|x=a\\0b" },
    { "1!1", "CR LF and another field in a value", "head:1:5:" HEAD "|x=a\\r\\ny:_z" },
    { "1!1", "a blank before a value", "head:1:5:" HEAD "|x=_a" },
    { "1!1", "a blank behind a value", "head:1:5:" HEAD "|x=a_" },
    { "1!1", "LF in :path", "head:1:5::method=GET|:scheme=http|:path=/a\\nb|:authority=a" },
    { "1!1", "a blank in :path", "head:1:5::method=GET|:scheme=http|:path=/a_b|:authority=a" },
    { "1!1", "a blank in :method", "head:1:5::method=G_T|:scheme=http|:path=/|:authority=a" },
    { "1!1", "a :path without its slash", "head:1:5::method=GET|:scheme=http|:path=a|:authority=a" },
    { "1!1", "a body shorter than its length", "head:1:4:" POST "|content-length=5 end:1:hell" },
    { "1!1", "a body longer than its length", "head:1:4:" POST "|content-length=5 end:1:hello!" },
    { "1!1", "a length and no body", "head:1:5:" POST "|content-length=5" },
    { "1!1", "two lengths", "head:1:4:" POST "|content-length=5|content-length=5 end:1:hello" },
    { "1!1", "a length with a sign", "head:1:4:" POST "|content-length=+5 end:1:hello" },
    { "1=400", "another Host than :authority", "head:1:5:" HEAD "|host=b" },
    { "1!1", "two of Host", "head:1:5::method=GET|:scheme=http|:path=/|host=a|host=a" },
    { "1=400", "a fragment in :path", "head:1:5::method=GET|:scheme=http|:path=/a#b|:authority=a" },
    { "1!1", "an :authority that is no host", "head:1:5::method=GET|:scheme=http|:path=/|:authority=a/b" },
    { "1=400 1!0", "a bad one that goes on", "head:1:4:" POST "|host=b data:1:a" },
    { "1=417", "an Expect that nobody knows", "head:1:5:" HEAD "|expect=wonders" },
    { "1=400", "a forbidden trailer", "post:1 data:1:a head:1:5:content-type=a" },
    { "1=501", "CONNECT", "head:1:5::method=CONNECT|:authority=a:1" },
    { "1!1", "CONNECT with a path", "head:1:5::method=CONNECT|:authority=a:1|:path=/|:scheme=http" },
    { "1!1", ":protocol and another method", "head:1:5:" HEAD "|:protocol=websocket" },

    /* ---- HPACK: RFC 7541 */
    { "goaway:9", "index 0", "f:1:5:1:80" },
    { "goaway:9", "an index that there is not", "f:1:5:1:ff00" },
    { "goaway:9", "an index without end", "f:1:5:1:ffffffffffffffffffff" },
    { "goaway:9", "a string that is cut off", "f:1:5:1:00056162" },
    { "goaway:9", "a string longer than all memory", "f:1:5:1:007fffffffff7f61" },
    { "goaway:9", "a Huffman code that there is not", "f:1:5:1:000161" "84ffffffff" },
    { "goaway:9", "Huffman padding of zeros", "f:1:5:1:000161" "8100" },
    { "goaway:9", "a table larger than allowed", "f:1:5:1:3fe2ff03" },
    { "goaway:9", "a change of the table behind a field", "f:1:5:1:823fe11f" },
    { "1=200", "a change of the table before the fields", "f:1:5:1:20828684410161" },

    /* ---- Heads in pieces */
    { "goaway:1", "another frame in a head", "f:1:1:1:8286 ping" },
    { "goaway:1", "a head of another stream in a head", "f:1:1:1:8286 get:3" },
    { "goaway:1", "a CONTINUATION of another stream", "f:1:1:1:8286 f:9:4:3:84" },
    { "goaway:1", "an unknown frame in a head", "f:1:1:1:8286 f:77:0:1:" },
    { "", "the connection ends in a head", "f:1:1:1:8286" },
};

#endif
