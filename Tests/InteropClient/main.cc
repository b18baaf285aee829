// Some of gRPC's interoperability cases by its C++ library:
//
//     client HOST:PORT CASE [AUTHORITY.pem]
//
// Ends with 1 and a sentence when a case fails.

#include <cstdint>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "test.grpc.pb.h"

// Of the library, for tests such as gRPC's own; no header that is installed has it.
uint32_t grpc_call_test_only_get_message_flags(grpc_call* call);

using namespace grpc::testing;
using Stub = TestService::Stub;

namespace {

constexpr int kLargeRequest = 271828;
constexpr int kLargeAnswer = 314159;

[[noreturn]] void Fail(const std::string& what) {
  std::cerr << what << "\n";
  exit(1);
}

void Check(bool holds, const std::string& what) {
  if (!holds) Fail(what);
}

void CheckOK(const grpc::Status& status) {
  Check(status.ok(), "status " + std::to_string(status.error_code()) + ": " + status.error_message());
}

void EmptyUnary(Stub& stub) {
  grpc::ClientContext context;
  Empty answer;
  CheckOK(stub.EmptyCall(&context, Empty(), &answer));
}

void LargeUnary(Stub& stub) {
  grpc::ClientContext context;
  SimpleRequest request;
  request.set_response_size(kLargeAnswer);
  request.mutable_payload()->set_body(std::string(kLargeRequest, '\0'));
  SimpleResponse answer;
  CheckOK(stub.UnaryCall(&context, request, &answer));
  Check(answer.payload().body() == std::string(kLargeAnswer, '\0'), "another answer");
}

// Whether the last message came compressed.
bool WasCompressed(grpc::ClientContext& context) {
  // GRPC_WRITE_INTERNAL_TEST_ONLY_WAS_COMPRESSED
  constexpr uint32_t kCompressed = 0x40000000u;
  return grpc_call_test_only_get_message_flags(context.c_call()) & kCompressed;
}

void ServerCompressedUnary(Stub& stub) {
  for (const bool compressed : {true, false}) {
    grpc::ClientContext context;
    SimpleRequest request;
    request.mutable_response_compressed()->set_value(compressed);
    request.set_response_size(kLargeAnswer);
    request.mutable_payload()->set_body(std::string(kLargeRequest, '\0'));
    SimpleResponse answer;
    CheckOK(stub.UnaryCall(&context, request, &answer));
    Check(WasCompressed(context) == compressed, compressed ? "not compressed" : "compressed");
    Check(answer.payload().body() == std::string(kLargeAnswer, '\0'), "another answer");
  }
}

void ServerCompressedStreaming(Stub& stub) {
  const std::vector<int> sizes = {31415, 92653};
  for (const bool first : {true, false}) {
    grpc::ClientContext context;
    StreamingOutputCallRequest request;
    for (size_t i = 0; i < sizes.size(); ++i) {
      auto* parameters = request.add_response_parameters();
      parameters->set_size(sizes[i]);
      parameters->mutable_compressed()->set_value((i == 0) == first);
    }
    auto stream = stub.StreamingOutputCall(&context, request);
    StreamingOutputCallResponse answer;
    for (size_t i = 0; i < sizes.size(); ++i) {
      Check(stream->Read(&answer), "no answer");
      Check(WasCompressed(context) == ((i == 0) == first), "message " + std::to_string(i) + ": the other way");
      Check(answer.payload().body().size() == static_cast<size_t>(sizes[i]), "another size");
    }
    Check(!stream->Read(&answer), "one answer more");
    CheckOK(stream->Finish());
  }
}

void PingPong(Stub& stub) {
  grpc::ClientContext context;
  auto stream = stub.FullDuplexCall(&context);
  const std::vector<int> requests = {27182, 8, 1828, 45904};
  const std::vector<int> answers = {31415, 9, 2653, 58979};
  for (size_t i = 0; i < requests.size(); ++i) {
    StreamingOutputCallRequest request;
    request.add_response_parameters()->set_size(answers[i]);
    request.mutable_payload()->set_body(std::string(requests[i], '\0'));
    Check(stream->Write(request), "the request was not taken");
    StreamingOutputCallResponse answer;
    Check(stream->Read(&answer), "no answer");
    Check(answer.payload().body().size() == static_cast<size_t>(answers[i]), "another size");
  }
  stream->WritesDone();
  StreamingOutputCallResponse more;
  Check(!stream->Read(&more), "one answer more");
  CheckOK(stream->Finish());
}

void SpecialStatusMessage(Stub& stub) {
  const std::string message = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n";
  grpc::ClientContext context;
  SimpleRequest request;
  request.mutable_response_status()->set_code(2);
  request.mutable_response_status()->set_message(message);
  SimpleResponse answer;
  const grpc::Status status = stub.UnaryCall(&context, request, &answer);
  Check(status.error_code() == grpc::StatusCode::UNKNOWN, "another code");
  Check(status.error_message() == message, "another message: " + status.error_message());
}

std::shared_ptr<grpc::ChannelCredentials> Credentials(int argc, char** argv) {
  if (argc < 4) return grpc::InsecureChannelCredentials();
  std::ifstream file(argv[3]);
  std::stringstream text;
  text << file.rdbuf();
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = text.str();
  return grpc::SslCredentials(options);
}

}  // namespace

int main(int argc, char** argv) {
  const std::map<std::string, void (*)(Stub&)> cases = {
      {"empty_unary", EmptyUnary},
      {"large_unary", LargeUnary},
      {"server_compressed_unary", ServerCompressedUnary},
      {"server_compressed_streaming", ServerCompressedStreaming},
      {"ping_pong", PingPong},
      {"special_status_message", SpecialStatusMessage},
  };
  if (argc < 3) Fail("usage: client HOST:PORT CASE [AUTHORITY.pem]");
  const auto found = cases.find(argv[2]);
  if (found == cases.end()) Fail("there is no such case");
  found->second(*TestService::NewStub(grpc::CreateChannel(argv[1], Credentials(argc, argv))));
}
