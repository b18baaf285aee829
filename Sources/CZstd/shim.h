// libzstd's stable C API, as Debian's libzstd-dev installs it. Linked by the executable's settings.
#include <zstd.h>
