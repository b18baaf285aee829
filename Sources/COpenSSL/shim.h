// OpenSSL 3: TLS for the clients of benchmarks and tests. Linked by the executable's settings.
#include <openssl/err.h>
#include <openssl/ssl.h>
