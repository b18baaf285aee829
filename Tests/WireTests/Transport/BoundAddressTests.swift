import Glibc
import Logging
import TestSupport
import Testing
import Wire

@Suite("Bound address") struct BoundAddressTests {
  private static func status(_ path: String) -> (isSocket: Bool, mode: UInt32)? {
    var status = stat()
    guard lstat(path, &status) == 0 else { return nil }
    return (status.st_mode & S_IFMT == S_IFSOCK, status.st_mode & 0o777)
  }

  private static func refusal(_ path: String) -> String? {
    do throws(ListenError) {
      _ = try BoundAddress(.unix(path: path))
      return nil
    } catch {
      return error.detail
    }
  }

  @Test func aUnixSocketIsItsOwnersAndGoesWithIt() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/s"
    var address: BoundAddress? = try BoundAddress(.unix(path: path))
    let status = try #require(Self.status(path))
    #expect(status.isSocket && status.mode == 0o600)
    #expect(address?.port == 0)
    #expect("\(try #require(address).address)" == "unix:\(path)")
    #expect(Self.refusal(path) == "another server listens on it")
    address = nil
    #expect(Self.status(path) == nil)
  }

  @Test func replacesNothingElse() throws {
    let folder = try TemporaryFolder()
    let file = try folder.write("file", "text")
    #expect(Self.refusal(file) == "what is there is no socket")
    #expect(Self.refusal(folder.path) == "what is there is no socket")
    #expect(Self.refusal(folder.path + "/none/s")?.contains("No such file") == true)
    #expect(try TemporaryFolder.read(file) == "text")
  }

  /// Its descriptor is closed, and its path is there.
  @Test func takesOverWhatNobodyListensOn() async throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/s"
    let stale = path + ".stale"
    do {
      let address = try BoundAddress(.unix(path: path))
      #expect(link(path, stale) == 0)
      _ = address
    }
    #expect(Self.status(path) == nil && Self.status(stale)?.isSocket == true)
    let address = try BoundAddress(.unix(path: stale))
    #expect(Self.status(stale)?.mode == 0o600)
    _ = address
  }

  @Test func leavesWhatHasTakenItsPlace() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/s"
    do {
      let address = try BoundAddress(.unix(path: path))
      #expect(unlink(path) == 0)
      try folder.write("s", "text")
      _ = address
    }
    #expect(try TemporaryFolder.read(path) == "text")
  }

  @Test func saysThatAPathIsTooLong() throws {
    let folder = try TemporaryFolder()
    let room = 107 - folder.path.utf8.count - 1
    let longest = folder.path + "/" + String(repeating: "s", count: room)
    #expect(Self.refusal(longest) == nil)
    #expect(Self.refusal(longest + "s")?.contains("at most 107 bytes; this one has 108") == true)
    #expect(Self.refusal("") != nil)
  }

  /// An address that no other test has: a port that is free again may be taken by one.
  @Test func listensOnSeveralAddresses() async throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/s"
    let server = GRPCServer(
      configuration: WireConfiguration(loopCount: 1),
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    let first = try await server.start(BoundAddress(host: "127.0.0.77", port: 0))
    let second = try await server.start(BoundAddress(host: "127.0.0.77", port: 0))
    try await server.start(BoundAddress(.unix(path: path)))
    #expect(first != second && first > 0 && second > 0)
    #expect(
      SocketClient(port: first, host: 77) != nil && SocketClient(port: second, host: 77) != nil)
    await server.drain()
    #expect(Self.status(path) == nil)
    #expect(
      SocketClient(port: first, host: 77) == nil && SocketClient(port: second, host: 77) == nil)
    await server.close()
  }

  @Test(arguments: [
    ("localhost", true), ("LOCALHOST", true), ("127.0.0.1", true), ("127.255.0.9", true),
    ("::1", true), ("::ffff:127.0.0.1", true), ("0.0.0.0", false), ("::", false),
    ("10.0.0.1", false), ("127.0.0", false), ("127.0.0.256", false), ("127.0.0.1.example", false),
    ("127.example.com", false), ("::ffff:10.0.0.1", false), ("host", false), ("", false),
  ])
  func knowsTheLoopback(host: String, isLoopback: Bool) {
    #expect(ListenAddress.tcp(host: host, port: 1).isLocal == isLoopback)
    #expect(ListenAddress.unix(path: host).isLocal)
  }
}
