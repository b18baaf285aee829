#include "flags.h"

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <map>

namespace {

[[noreturn]] void Refuse(const std::string& argument) {
  std::fprintf(stderr,
               "error: wrong argument: %s\n"
               "usage: grpc-cpp-rocksdb [--data DIR] [--listen HOST:PORT]\n"
               "         [--durability sync|buffered]\n"
               "         [--cache-size BYTES] [--memtable-size BYTES]\n"
               "         [--tls-cert FILE --tls-key FILE]\n"
               "       grpc-cpp-rocksdb --version\n",
               argument.c_str());
  std::exit(64);
}

size_t ParseBytes(const std::string& text) {
  size_t bytes = 0;
  const char* end = text.data() + text.size();
  const auto [parsed_to, error] = std::from_chars(text.data(), end, bytes);
  if (error != std::errc() || parsed_to != end) Refuse(text);
  return bytes;
}

}  // namespace

Flags ParseFlags(int argc, char** argv) {
  std::map<std::string, std::string> values = {
      {"--data", "./data"},
      {"--listen", "127.0.0.1:50051"},
      {"--durability", "sync"},
      {"--cache-size", "268435456"},
      {"--memtable-size", "67108864"},
      {"--tls-cert", ""},
      {"--tls-key", ""},
  };
  for (int i = 1; i < argc; i += 2) {
    const auto value = values.find(argv[i]);
    if (value == values.end() || i + 1 == argc) Refuse(argv[i]);
    value->second = argv[i + 1];
  }
  const std::string& listen = values["--listen"];
  const std::string& durability = values["--durability"];
  if (listen.find(':') == std::string::npos) Refuse(listen);
  if (durability != "sync" && durability != "buffered") Refuse(durability);
  if (values["--tls-cert"].empty() != values["--tls-key"].empty()) {
    Refuse("--tls-cert and --tls-key need each other");
  }
  return {values["--data"],
          listen,
          durability == "sync",
          ParseBytes(values["--cache-size"]),
          ParseBytes(values["--memtable-size"]),
          values["--tls-cert"],
          values["--tls-key"]};
}
