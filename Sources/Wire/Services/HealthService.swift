import Bytes
import Synchronization

/// What a service says of itself. The raw values are the wire's
/// (`grpc.health.v1.HealthCheckResponse.ServingStatus`).
package enum ServingStatus: UInt64, Sendable {
  case unknown = 0
  case serving = 1
  case notServing = 2
}

/// gRPC health checking (grpc/grpc:doc/health-checking.md): Check, List and Watch.
///
/// The name "" means the server as a whole.
///
/// Thread-safety: every call from any thread. Messages to watchers are handed to their event loops under the
/// lock, so that they arrive in the order of the changes; that takes the loop's mailbox lock inside this one
/// and blocks on nothing else.
package final class HealthService: Sendable {
  static let serviceName = "grpc.health.v1.Health"
  /// Larger lists are refused, as in grpc-go.
  private static let maximumListedServices = 100
  /// `SERVICE_UNKNOWN`: only watchers are told.
  private static let serviceUnknown: UInt64 = 3

  private struct State {
    var statuses: [String: ServingStatus] = [:]
    var watchers: [UInt64: Watcher] = [:]
    var nextWatcher: UInt64 = 0
    var isShutDown = false
  }

  private struct Watcher {
    let service: String
    let output: ResponseStream
  }

  private let state = Mutex(State())

  package init() {}

  /// Registers Check, List and Watch.
  package func register(on server: GRPCServer) {
    for (path, handler) in unaryMethods { server.register(path, unary: handler) }
    for (path, handler) in streamingMethods { server.register(path, streaming: handler) }
  }

  /// Path and handler of each method.
  package var unaryMethods: [(String, any UnaryHandler)] {
    [
      ("/\(Self.serviceName)/Check", HealthCheck(service: self)),
      ("/\(Self.serviceName)/List", HealthList(service: self)),
    ]
  }

  /// The methods of `grpc.health.v1.Health`, to be registered.
  package var streamingMethods: [(String, any StreamingHandler)] {
    [("/\(Self.serviceName)/Watch", HealthWatch(service: self))]
  }

  /// Sets the status of a service and tells its watchers, when it is another one than before.
  ///
  /// After ``shutDown()`` it does nothing.
  package func set(_ status: ServingStatus, for service: String) {
    state.withLock { state in
      guard !state.isShutDown, state.statuses.updateValue(status, forKey: service) != status else {
        return
      }
      for watcher in state.watchers.values where watcher.service == service {
        watcher.output.send(Self.response(status.rawValue))
      }
    }
  }

  /// Says NOT_SERVING for every service and ends the watches with UNAVAILABLE, so that they do not hold up
  /// a drain. Nothing changes the statuses afterwards.
  package func shutDown() {
    state.withLock { state in
      guard !state.isShutDown else { return }
      state.isShutDown = true
      let before = state.statuses
      state.statuses = before.mapValues { _ in .notServing }
      for watcher in state.watchers.values {
        if let status = before[watcher.service], status != .notServing {
          watcher.output.send(Self.response(ServingStatus.notServing.rawValue))
        }
        watcher.output.finish(.shuttingDown)
      }
      state.watchers.removeAll()
    }
  }

  // MARK: - For the methods

  fileprivate func status(of service: String) -> ServingStatus? {
    state.withLock { $0.statuses[service] }
  }

  fileprivate func all() -> [(service: String, status: ServingStatus)]? {
    let statuses = state.withLock { $0.statuses }
    guard statuses.count <= Self.maximumListedServices else { return nil }
    return statuses.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

  /// Sends the current status, and every later one until ``unwatch(_:)``.
  fileprivate func watch(_ service: String, _ output: ResponseStream) -> UInt64? {
    state.withLock { state in
      output.send(Self.response(state.statuses[service]?.rawValue ?? Self.serviceUnknown))
      guard !state.isShutDown else {
        output.finish(.shuttingDown)
        return nil
      }
      let watcher = state.nextWatcher
      state.nextWatcher += 1
      state.watchers[watcher] = Watcher(service: service, output: output)
      return watcher
    }
  }

  fileprivate func unwatch(_ watcher: UInt64) {
    _ = state.withLock { $0.watchers.removeValue(forKey: watcher) }
  }

  fileprivate static func response(_ status: UInt64) -> ByteWriter {
    var writer = ByteWriter()
    appendStatus(status, to: &writer)
    return writer
  }

  /// Appends the field of a `HealthCheckResponse`; 0 is left out, as proto3 has it.
  fileprivate static func appendStatus(_ status: UInt64, to writer: inout ByteWriter) {
    if status != 0 { writer.appendField(1, varint: status) }
  }

  /// The `service` of a `HealthCheckRequest`.
  fileprivate static func service(
    in request: UnsafeRawBufferPointer
  ) -> Result<String, RPCStatus> {
    var reader = ProtobufReader(request)
    var service = ""
    do throws(ProtobufError) {
      while !reader.isAtEnd {
        let tag = try reader.nextTag()
        if tag.number == 1 && tag.wireType == 2 {
          service = String(decoding: try reader.nextLengthDelimited(), as: UTF8.self)
        } else {
          try reader.skip(tag)
        }
      }
      return .success(service)
    } catch {
      return .failure(
        RPCStatus(
          .internal, reason: "MALFORMED_REQUEST",
          "the request is not a HealthCheckRequest: \(error); encode it with a protobuf library"))
    }
  }
}

// MARK: - Methods

private struct HealthCheck: UnaryHandler {
  let service: HealthService

  func call(
    _ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter
  ) -> UnaryOutcome {
    switch HealthService.service(in: request) {
    case .failure(let status): return .failed(status)
    case .success(let name):
      guard let status = service.status(of: name) else {
        return .failed(
          RPCStatus(
            .notFound, reason: "UNKNOWN_SERVICE",
            "no service \"\(name.prefix(200))\"; List names those there are"))
      }
      HealthService.appendStatus(status.rawValue, to: &response)
      return .done
    }
  }
}

private struct HealthList: UnaryHandler {
  let service: HealthService

  func call(
    _ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter
  ) -> UnaryOutcome {
    guard let statuses = service.all() else {
      return .failed(
        RPCStatus(
          .resourceExhausted, reason: "TOO_MANY_SERVICES",
          "there are over 100 services; use Check for each"))
    }
    for (name, status) in statuses {
      response.appendMessage(1) { entry in
        entry.appendField(1, name)
        entry.appendMessage(2) { HealthService.appendStatus(status.rawValue, to: &$0) }
      }
    }
    return .done
  }
}

private struct HealthWatch: StreamingHandler {
  let service: HealthService

  func start(_ context: CallContext, _ output: ResponseStream) -> any StreamingCall {
    HealthWatchCall(service: service, output: output)
  }
}

/// One Watch: takes one request, then sends until the client goes.
private final class HealthWatchCall: StreamingCall {
  private let service: HealthService
  private let output: ResponseStream
  private var watcher: UInt64?
  private var hasRequest = false

  init(service: HealthService, output: ResponseStream) {
    self.service = service
    self.output = output
  }

  func receive(_ message: UnsafeRawBufferPointer) {
    guard !hasRequest else { return fail(Self.oneRequest) }
    hasRequest = true
    switch HealthService.service(in: message) {
    case .failure(let status): fail(status)
    case .success(let name): watcher = service.watch(name, output)
    }
  }

  func halfClose() {
    if !hasRequest { fail(Self.oneRequest) }
  }

  /// ``HealthService/shutDown()`` ends the watches, after their last status.
  func drain() {}

  func cancel() {
    if let watcher { service.unwatch(watcher) }
    watcher = nil
  }

  private func fail(_ status: RPCStatus) {
    cancel()
    output.finish(status)
  }

  private static let oneRequest = RPCStatus(
    .unimplemented, reason: "ONE_REQUEST", "Watch takes exactly one request message")
}
