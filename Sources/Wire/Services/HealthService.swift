import Bytes
import Synchronization

// SAFETY: a request is lent until its handler returns; the name in it is copied.

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
  /// The full name.
  package static let serviceName = "grpc.health.v1.Health"
  /// Larger lists are refused, as in grpc-go.
  private static let maximumListedServices = 100
  /// `SERVICE_UNKNOWN`: only watchers are told.
  private static let serviceUnknown: UInt64 = 3

  private struct State {
    var statuses: [String: ServingStatus] = [:]
    var watchers: [UInt64: Watcher] = [:]
    var nextWatcher: UInt64 = 0
    var isShutDown = false

    func status(_ service: String) -> UInt64 {
      statuses[service]?.rawValue ?? HealthService.serviceUnknown
    }

    /// Answers a watcher that was asked.
    mutating func tell(_ id: UInt64, _ status: UInt64) {
      watchers[id]?.isAsked = false
      watchers[id]?.told = status
      watchers[id]?.output.send(HealthService.response(status))
    }
  }

  fileprivate struct Watcher {
    let service: String
    let output: ResponseStream
    /// The status it was sent last.
    var told: UInt64?
    /// It waits for the next one.
    var isAsked = false
  }

  private let state = Mutex(State())

  package init() {}

  /// Registers Check, List and Watch.
  package func register(on server: GRPCServer) {
    for (path, handler) in unaryMethods { server.register(path, unary: handler) }
    for (path, handler) in serverStreams { server.register(path, serverStream: handler) }
  }

  /// Path and handler of each method.
  package var unaryMethods: [(String, any UnaryHandler)] {
    [
      ("/\(Self.serviceName)/Check", HealthCheck(service: self)),
      ("/\(Self.serviceName)/List", HealthList(service: self)),
    ]
  }

  /// The methods of `grpc.health.v1.Health`, to be registered.
  package var serverStreams: [(String, any ServerStreamHandler)] {
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
      for (id, watcher) in state.watchers where watcher.service == service && watcher.isAsked {
        state.tell(id, status.rawValue)
      }
    }
  }

  /// Says NOT_SERVING for every service and ends the watches with UNAVAILABLE, so that they do not hold up
  /// a drain. Nothing changes the statuses afterwards.
  package func shutDown() {
    state.withLock { state in
      guard !state.isShutDown else { return }
      state.isShutDown = true
      state.statuses = state.statuses.mapValues { _ in .notServing }
      for (id, watcher) in state.watchers where watcher.isAsked {
        let status = state.status(watcher.service)
        if status != watcher.told {
          state.tell(id, status)
        } else {
          state.watchers[id]?.isAsked = false
          watcher.output.finish(.shuttingDown)
        }
      }
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

  fileprivate func watch(_ service: String, _ output: ResponseStream) -> UInt64 {
    state.withLock { state in
      defer { state.nextWatcher += 1 }
      state.watchers[state.nextWatcher] = Watcher(service: service, output: output)
      return state.nextWatcher
    }
  }

  /// The status of a watched service when the watcher does not know it. Else it is sent when it changes.
  fileprivate func pull(_ id: UInt64, _ response: inout ByteWriter) -> PullOutcome {
    let (status, isShutDown) = state.withLock { state -> (UInt64?, Bool) in
      guard let watcher = state.watchers[id] else { return (nil, true) }
      let status = state.status(watcher.service)
      if watcher.told != status {
        state.watchers[id]?.told = status
        return (status, false)
      }
      state.watchers[id]?.isAsked = !state.isShutDown
      return (nil, state.isShutDown)
    }
    if let status {
      Self.appendStatus(status, to: &response)
      return .message
    }
    guard isShutDown else { return .pending }
    unwatch(id)
    return .finished(.shuttingDown)
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
  @safe
  fileprivate static func service(
    in request: UnsafeRawBufferPointer
  ) -> Result<String, RPCStatus> {
    var reader = unsafe ProtobufReader(request)
    var service = ""
    do throws(ProtobufError) {
      while !reader.isAtEnd {
        let tag = try reader.nextTag()
        if tag.number == 1 && tag.wireType == 2 {
          service = unsafe String(decoding: try reader.nextLengthDelimited(), as: UTF8.self)
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

private struct HealthWatch: ServerStreamHandler {
  let service: HealthService

  func start(_ request: UnsafeRawBufferPointer, _ context: CallContext) -> ServerStreamStart {
    switch HealthService.service(in: request) {
    case .failure(let status): .failed(status)
    case .success(let name):
      .stream(HealthWatchStream(service, service.watch(name, context.output)))
    }
  }
}

/// One Watch: the status now, and each other one until the client goes. A slow client gets the latest alone.
private final class HealthWatchStream: ServerStream {
  private let service: HealthService
  private let watcher: UInt64

  init(_ service: HealthService, _ watcher: UInt64) {
    self.service = service
    self.watcher = watcher
  }

  func pull(_ response: inout ByteWriter) -> PullOutcome { service.pull(watcher, &response) }

  func cancel() { service.unwatch(watcher) }
}
