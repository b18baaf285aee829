import COpenSSL
import Glibc

// SAFETY: a path, which ends with NUL, and an address are lent to a system call until that returns. So are a token and
// its hash, which has as many bytes as are written.

/// Starts the servers, each with an empty directory of its own.
struct ServerLauncher: Sendable {
  /// The `seandb` program.
  let seandb: String
  /// The directory of the peers' programs.
  let peers: String
  let scratch: ScratchDirectory
  let cacheSizeBytes: Int
  let memtableSizeBytes: Int
  /// What a `get` of nghttpd answers: as many bytes as a record in a gRPC answer.
  let answerByteCount: Int
  let certificate: Certificate?
  /// Threads for connections, of the servers that can be told; nil: as many as cores.
  var connectionThreads: Int?
  /// Whether records have the fields that indexes are on (``RecordGroups``).
  var recordsHaveGroups = false
  /// Where a server runs already.
  let externalAddress: SocketAddress?
  /// What its calls are sent with.
  var externalAuthorization: String?

  /// How long a server may take to listen. Unit: seconds.
  private static let startTimeout = 30.0
  /// The file that nghttpd serves.
  static let fileName = "record"

  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  /// Why `target` cannot take part; nil when it can.
  func obstacle(of target: ServerTarget) -> String? {
    if certificate != nil && !target.hasTLS { return "it has no TLS here" }
    if target.hasIndexes && !recordsHaveGroups { return "records have no fields for its indexes" }
    guard let program = program(of: target) else { return nil }
    return unsafe access(program, X_OK) == 0
      ? nil : "there is no \(program); `make build peers` makes those that can be had"
  }

  private func program(of target: ServerTarget) -> String? {
    if target.seandb != nil { return seandb }
    return switch target {
    case .grpcCppRocksDB: peers + "/grpc-cpp-rocksdb"
    case .etcd: peers + "/etcd"
    case .redis: peers + "/redis-server"
    case .nghttpd: peers + "/nghttpd"
    default: nil
    }
  }

  /// Starts it and waits until it listens.
  ///
  /// - Parameter isNew: whether it begins with an empty directory; else with what it has left there.
  func start(
    _ target: ServerTarget, _ durability: ServerDurability, isNew: Bool = true
  ) throws -> RunningServer {
    if target == .external, let externalAddress {
      return RunningServer(
        target: target, address: externalAddress, directory: nil, process: nil,
        authorization: externalAuthorization)
    }
    let directory = "\(scratch.path)/\(target.rawValue)"
    if isNew {
      scratch.remove(target.rawValue)
      guard unsafe mkdir(directory, 0o755) == 0 else {
        throw Failure(description: "cannot make \(directory): \(errorText())")
      }
    }
    let port = try Self.freePort()
    let token = target == .seandbLSMToken ? try createToken() : nil
    let access = token.map { ["--access", $0.accessFile] } ?? []
    let process = try ChildProcess.start(
      try command(target, durability, directory: directory, port: port) + access,
      outputTo: "\(scratch.path)/\(target.rawValue).out")
    let server = RunningServer(
      target: target, address: SocketAddress(host: "127.0.0.1", port: port), directory: directory,
      process: process, authorization: token.map { "Bearer \($0.token)" })
    do {
      try server.waitUntilItListens(timeoutSeconds: Self.startTimeout)
    } catch {
      process.stop()
      throw error
    }
    return server
  }

  private func command(
    _ target: ServerTarget, _ durability: ServerDurability, directory: String, port: Int
  ) throws -> [String] {
    let data = directory + "/data"
    let listen = "127.0.0.1:\(port)"
    let isSync = durability == .sync
    // seandb and the hand-written server have the same names for them.
    let tls =
      certificate.map { ["--tls-cert", $0.certificatePath, "--tls-key", $0.keyPath] } ?? []
    if let seandb = target.seandb {
      return [
        try createServer(with: seandb.indexes), "--data", data, "--listen", listen,
        "--engine", seandb.engine, "--durability", durability.rawValue,
        "--cache-size", "\(cacheSizeBytes)", "--memtable-size", "\(memtableSizeBytes)",
        "--log-level", "warning",
      ] + tls + (connectionThreads.map { ["--event-loops", "\($0)"] } ?? [])
    }
    switch target {
    case .grpcCppRocksDB:
      return [
        peers + "/grpc-cpp-rocksdb", "--data", data, "--listen", listen,
        "--durability", durability.rawValue, "--cache-size", "\(cacheSizeBytes)",
        "--memtable-size", "\(memtableSizeBytes)",
      ] + tls
    case .etcd:
      return try etcdCommand(data: data, listen: listen, isSync: isSync)
    case .redis:
      unsafe mkdir(data, 0o755)
      return [
        peers + "/redis-server", "--port", "\(port)", "--bind", "127.0.0.1", "--dir", data,
        "--appendonly", "yes", "--appendfsync", isSync ? "always" : "no", "--save", "",
        // No rewriting of the log meanwhile, by a process whose cost would not be seen.
        "--auto-aof-rewrite-percentage", "0",
        "--loglevel", "warning",
      ]
    case .nghttpd:
      let file = try OutputFile(path: "\(directory)/\(Self.fileName)")
      try file.replace(with: String(repeating: "x", count: answerByteCount))
      let workers = connectionThreads ?? sysconf(Int32(_SC_NPROCESSORS_ONLN))
      let common = ["--address", "127.0.0.1", "--htdocs", directory, "--workers", "\(workers)"]
      if let certificate {
        return [peers + "/nghttpd"] + common
          + ["\(port)", certificate.keyPath, certificate.certificatePath]
      }
      return [peers + "/nghttpd"] + common + ["--no-tls", "\(port)"]
    default:
      preconditionFailure("an external server runs already")
    }
  }

  private func etcdCommand(data: String, listen: String, isSync: Bool) throws -> [String] {
    let scheme = certificate == nil ? "http" : "https"
    let peer = "http://127.0.0.1:\(try Self.freePort())"
    let tls = certificate.map { ["--cert-file", $0.certificatePath, "--key-file", $0.keyPath] }
    return [
      peers + "/etcd", "--data-dir", data, "--listen-client-urls", "\(scheme)://\(listen)",
      "--advertise-client-urls", "\(scheme)://\(listen)", "--listen-peer-urls", peer,
      "--initial-advertise-peer-urls", peer, "--initial-cluster", "default=\(peer)",
      "--logger", "zap", "--log-level", "error", "--max-txn-ops", "100000",
      "--quota-backend-bytes", "8589934592",
    ] + (isSync ? [] : ["--unsafe-no-fsync"]) + (tls ?? [])
  }

  /// Makes the server program of a schema with these indexes by `seandb create`, once.
  private func createServer(with indexes: DogIndexes) throws -> String {
    let out = "\(scratch.path)/out-\(indexes)"
    let server = out + "/server"
    if unsafe access(server, X_OK) == 0 { return server }
    let schema = scratch.path + "/schema.proto"
    try OutputFile(path: schema).replace(with: indexes.schema(hasGroups: recordsHaveGroups))
    let create = try ChildProcess.start(
      [seandb, "create", schema, "--out", out],
      outputTo: scratch.path + "/create.out")
    try create.waitForSuccess(timeoutSeconds: Self.startTimeout)
    return server
  }

  /// As long as the tokens of `seandb token create`. Its letters have long codes in HPACK, so that nghttp2 sends them
  /// as they are, with each call: as clients on gRPC's C core do (C++, Python, Ruby). Those in Go and Java send less.
  private static let token = String(repeating: "X", count: 44) + "{{{"

  /// Makes an access file that knows the token.
  private func createToken() throws -> (token: String, accessFile: String) {
    var hash = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_LENGTH))
    let token = Array(Self.token.utf8)
    _ = unsafe SHA256(token, token.count, &hash)
    let digits = hash.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    let file = scratch.path + "/access.toml"
    try OutputFile(path: file).replace(
      with: """
        [[role]]
        name = "bench"
        allow = ["Dog: read, write, delete"]
        [[token]]
        id = "bench"
        sha256 = "\(digits)"
        roles = ["bench"]
        """)
    return (Self.token, file)
  }

  /// A port that nobody listens on, for servers that do not take port 0.
  private static func freePort() throws -> Int {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(O_CLOEXEC), 0)
    guard descriptor >= 0 else { throw Failure(description: "no socket: \(errorText())") }
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    // SAFETY: every socket address begins like `sockaddr`, and its length is passed with it.
    let isBound = unsafe withUnsafeMutablePointer(to: &address) {
      unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
      }
    }
    guard isBound else { throw Failure(description: "no free port: \(errorText())") }
    return Int(UInt16(bigEndian: address.sin_port))
  }
}
