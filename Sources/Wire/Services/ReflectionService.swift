import Bytes

/// gRPC server reflection, v1 and v1alpha (grpc/grpc:doc/server-reflection.md): what grpcurl, Postman and
/// the like learn a server's methods from.
///
/// It serves its own descriptors and those of ``HealthService`` beside the files it is given, to each caller as much of
/// them as its ``ReflectionAudience`` says.
///
/// Thread-safety: every stream reads the same index, which never changes.
package struct ReflectionService: StreamingHandler {
  /// Its services, full names.
  package static let serviceNames = [
    "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection",
  ]

  private let views: ReflectionViews
  private let audience: (any ReflectionAudience)?

  /// - Parameters:
  ///   - files: the schema's files with everything they import, also `google/protobuf/*`: some clients take
  ///     a missing import for an error.
  ///   - services: full names of the services that are served, without health and reflection.
  ///   - audience: who may see what of them; nil shows all to everybody.
  package init(
    files: [ReflectionFile], services: [String], audience: (any ReflectionAudience)? = nil
  ) {
    // A file of the user's at one of our paths must not hide what it does not declare itself.
    let names = Set(files.map(\.name))
    let own = ServiceDescriptors.files.map {
      names.contains($0.name) ? $0.renamed("seandb/" + $0.name) : $0
    }
    let index = ReflectionIndex(
      files: files + own,
      services: services + Self.serviceNames + [HealthService.serviceName])
    self.audience = audience
    views = ReflectionViews(index, groups: audience?.methodGroups ?? [])
  }

  /// Registers both versions; their messages are the same, byte by byte.
  package func register(on server: GRPCServer) {
    for (path, handler) in methods { server.register(path, streaming: handler) }
  }

  /// Path and handler of each method.
  package var methods: [(String, any StreamingHandler)] {
    Self.serviceNames.map { ("/\($0)/ServerReflectionInfo", self) }
  }

  package func start(_ context: CallContext) -> any StreamingCall {
    ReflectionCall(views, shown: audience?.viewer(context))
  }
}

/// One reflection stream: answers each request at once, in order.
private final class ReflectionCall: StreamingCall {
  private let views: ReflectionViews
  /// What the caller may see now; nil is all.
  private let shown: (@Sendable () -> [Bool])?
  private var view: ReflectionView
  /// The files sent on this stream, which are not sent again as imports.
  private var sent: Set<Int> = []
  /// What the last request is answered with, until it is pulled.
  private var answer: PullOutcome = .needsMessage
  private var answerBytes: [UInt8] = []

  init(_ views: ReflectionViews, shown: (@Sendable () -> [Bool])?) {
    self.views = views
    self.shown = shown
    view = views.whole
  }

  func pull(_ response: inout ByteWriter) -> PullOutcome {
    defer { answer = .needsMessage }
    if case .message = answer { response.append(answerBytes) }
    return answer
  }

  func receive(_ message: UnsafeRawBufferPointer) {
    let request: ReflectionRequest
    do throws(ProtobufError) {
      request = try ReflectionRequest(message)
    } catch {
      answer = .finished(
        RPCStatus(
          .internal, reason: "MALFORMED_REQUEST",
          "the request is not a ServerReflectionRequest: \(error); encode it with a protobuf library"
        ))
      return
    }
    guard let query = request.query else {
      answer = .finished(
        RPCStatus(
          .invalidArgument, reason: "NO_MESSAGE_REQUEST",
          "the request asks nothing: set one field of message_request"))
      return
    }
    look()
    var response = ByteWriter()
    response.appendField(1, request.host)
    response.appendField(2, message)
    append(query, &response)
    answerBytes = response.array()
    answer = .message
  }

  /// What the caller may see can have changed since the last request.
  private func look() {
    guard let shown else { return }
    let now = views.view(shown())
    guard now !== view else { return }
    view = now
    // They were other files.
    sent = []
  }

  func halfClose() { answer = .finished(nil) }

  func cancel() {}

  // MARK: - Answers

  /// Field numbers of `message_response`.
  private enum Response {
    static let files = 4
    static let extensionNumbers = 5
    static let services = 6
    static let error = 7
  }

  private func append(_ query: ReflectionRequest.Query, _ response: inout ByteWriter) {
    switch query {
    case .fileByFilename(let name):
      appendFiles(view.file(named: name), &response, missing: "no file \(shortened(name))")
    case .fileContainingSymbol(let symbol):
      appendFiles(
        view.file(declaring: symbol), &response, missing: "no symbol \(shortened(symbol))")
    case .fileContainingExtension(let type, let number):
      appendFiles(
        view.file(extending: type, number), &response,
        missing: "no extension \(number) of \(shortened(type))")
    case .allExtensionNumbersOfType(let type):
      guard let numbers = view.extensionNumbers(of: type) else {
        return appendError("no message type \(shortened(type))", &response)
      }
      response.appendMessage(Response.extensionNumbers) { list in
        list.appendField(1, type)
        for number in numbers { list.appendField(2, varint: UInt64(UInt32(bitPattern: number))) }
      }
    case .listServices:
      response.appendMessage(Response.services) { list in
        for service in view.services {
          list.appendMessage(1) { $0.appendField(1, service) }
        }
      }
    }
  }

  private func appendFiles(_ root: Int?, _ response: inout ByteWriter, missing: String) {
    guard let root else { return appendError(missing, &response) }
    let files = view.closure(of: root, sent: &sent)
    response.appendMessage(Response.files) { list in
      for file in files { list.appendField(1, view.descriptor(file)) }
    }
  }

  /// A failed look-up is an answer, not the end of the stream.
  private func appendError(_ message: String, _ response: inout ByteWriter) {
    response.appendMessage(Response.error) { error in
      error.appendField(1, varint: UInt64(StatusCode.notFound.rawValue))
      error.appendField(2, message)
    }
  }

  private func shortened(_ name: String) -> String {
    name.utf8.count <= 200 ? "\"\(name)\"" : "\"\(name.prefix(200))...\""
  }
}
