// liblz4's stable C API, as Debian's liblz4-dev installs it. Linked by the executable's settings.
#include <lz4.h>
