// OpenSSL's SHA-256. Its three plain functions of the hash, which OpenSSL 3 calls
// deprecated, need a few kilobytes of the static library; the newer ones need all of its providers.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>
