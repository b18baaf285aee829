// A database server as one would write it by hand: the RPCs of database.proto,
// gRPC C++ with its callback API, over RocksDB.
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <rocksdb/version.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>

#include "committer.h"
#include "database_service.h"
#include "flags.h"
#include "store.h"

namespace {

constexpr int kMaxResponseBytes = 64 << 20;
constexpr std::chrono::seconds kDrainTime(30);

[[noreturn]] void Fail(const std::string& problem) {
  std::fprintf(stderr, "error: %s\n", problem.c_str());
  std::exit(1);
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) Fail("cannot read " + path);
  return text.str();
}

std::shared_ptr<grpc::ServerCredentials> MakeCredentials(const Flags& flags) {
  if (flags.tls_cert.empty()) return grpc::InsecureServerCredentials();
  grpc::SslServerCredentialsOptions options;
  options.pem_key_cert_pairs.push_back(
      {ReadFile(flags.tls_key), ReadFile(flags.tls_cert)});
  return grpc::SslServerCredentials(options);
}

std::unique_ptr<grpc::Server> StartServer(const Flags& flags,
                                          grpc::Service* service, int* port) {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  builder.AddListeningPort(flags.listen, MakeCredentials(flags), port);
  // A port that another process has is an error.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.SetMaxSendMessageSize(kMaxResponseBytes);
  builder.RegisterService(service);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) Fail("cannot listen on " + flags.listen);
  return server;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::string(argv[1]) == "--version") {
    std::printf("gRPC %s, RocksDB %s\n", grpc::Version().c_str(),
                rocksdb::GetRocksVersionAsString().c_str());
    return 0;
  }
  const Flags flags = ParseFlags(argc, argv);

  // Before there are other threads: all of them leave the signals to sigwait.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  std::unique_ptr<rocksdb::DB> db;
  const rocksdb::Status opened = OpenStore(flags, &db);
  if (!opened.ok()) Fail(flags.data + ": " + opened.ToString());
  {
    Committer committer(db.get(), flags.sync);
    DatabaseService service(db.get(), &committer);
    int port = 0;
    const std::unique_ptr<grpc::Server> server =
        StartServer(flags, &service, &port);
    const std::string host = flags.listen.substr(0, flags.listen.rfind(':'));
    std::printf("listening on %s:%d\n", host.c_str(), port);
    std::fflush(stdout);

    int signal = 0;
    sigwait(&signals, &signal);
    // A second signal ends the process at once.
    pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
    server->Shutdown(std::chrono::system_clock::now() + kDrainTime);
  }
  const rocksdb::Status closed = db->Close();
  if (!closed.ok()) Fail(flags.data + ": " + closed.ToString());
  return 0;
}
