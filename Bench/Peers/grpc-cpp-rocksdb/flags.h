#ifndef PEER_FLAGS_H_
#define PEER_FLAGS_H_

#include <cstddef>
#include <string>

struct Flags {
  std::string data;
  std::string listen;  // HOST:PORT; port 0 takes a free one
  bool sync;           // whether an acknowledged write survives a power cut
  size_t cache_size;
  size_t memtable_size;
  std::string tls_cert;  // PEM files; without them there is no TLS
  std::string tls_key;
};

// Ends the process when the arguments are not right, with exit code 64.
Flags ParseFlags(int argc, char** argv);

#endif  // PEER_FLAGS_H_
