// librocksdb's C API, as Debian's librocksdb-dev installs it. Linked by the executable's settings.
#include <rocksdb/c.h>
