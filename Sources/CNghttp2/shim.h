// libnghttp2: HTTP/2 framing and HPACK. Linked by the executable's settings.
#include <nghttp2/nghttp2.h>
#if NGHTTP2_VERSION_NUM < 0x013400
#error "seandb needs libnghttp2 1.52 or newer"
#endif
