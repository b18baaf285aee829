// zlib, as Debian's zlib1g-dev installs it. Linked by the executable's settings.
#include <zlib.h>
