import Bytes
import Glibc
import Platform
import Synchronization
import Testing
import seandb_bench

/// Against a server of Redis' protocol that answers every SET, and stands still once when it is told to.
@Suite("Load generator")
struct LoadGeneratorTests {
  private static let records = RecordSource(byteCount: 100, seed: 1)

  private func shape(rate: Int? = nil, calls: Int? = nil) -> LoadShape {
    LoadShape(
      workload: .put, connections: 2, inFlight: 4, ratePerSecond: rate, duration: 1_000_000_000,
      callCount: calls, records: 1000, sizes: CallSizes(batchPut: 1, rangeGet: 1), seed: 1,
      stream: 1)
  }

  private func run(_ shape: LoadShape, on server: SetServer) throws -> LoadResult {
    try LoadGenerator.run(
      RedisDialect(shape: shape, records: Self.records), shape: shape,
      address: SocketAddress(host: "127.0.0.1", port: server.port), tls: nil, onBegin: {},
      onEnd: {})
  }

  @Test func makesAsManyCallsAsAskedFor() throws {
    let server = try SetServer(connectionCount: 2)
    let result = try run(shape(calls: 501), on: server)
    #expect(result.times.count == 501)
    #expect(result.storedRecords == 501)
    #expect(result.errors == 0)
    #expect(server.callCount == 501)
  }

  /// The calls that were due while the server stood still count with the time since then, although a closed loop
  /// would not have made them (coordinated omission).
  @Test func anOpenLoopHidesNoStall() throws {
    let server = try SetServer(connectionCount: 2, stallAfter: 300, stall: 300_000_000)
    let result = try run(shape(rate: 1000), on: server)
    #expect(result.times.count == 1000)
    // 300 calls were due in 300 ms, and waited from 300 ms down to nothing.
    let latency = result.times.latency
    #expect(latency.maximum > 250_000_000)
    let p90 = latency.curve[try #require(Latency.fractions.firstIndex(of: 0.9))]
    #expect(p90 > 100_000_000)
  }

  /// A server that answers at once is asked in time: no call waits for the generator's own sleep.
  @Test func anOpenLoopIsNotLateItself() throws {
    let server = try SetServer(connectionCount: 2)
    let result = try run(shape(rate: 5000), on: server)
    #expect(result.times.count == 5000)
    let p90 = result.times.latency.curve[try #require(Latency.fractions.firstIndex(of: 0.9))]
    #expect(p90 < 20_000_000)
  }

  @Test func aClosedLoopWaitsWithTheServer() throws {
    let server = try SetServer(connectionCount: 2, stallAfter: 300, stall: 300_000_000)
    let result = try run(shape(), on: server)
    let latency = result.times.latency
    #expect(latency.maximum > 250_000_000)
    // The eight calls in flight alone.
    #expect(latency.p99 < 100_000_000)
  }

  /// 300 ms before the window's end the server stops for 600: nothing of that is left out.
  @Test func aStallAcrossTheEndCounts() throws {
    let server = try SetServer(connectionCount: 2, stallAt: 700_000_000, stall: 600_000_000)
    let times = try run(shape(), on: server).times
    // By the window, not by the last answer in it.
    #expect(abs(times.seconds - 1) < 0.001)
    #expect(try #require(times.timeline(factor: 1)).suffix(3).dropLast().allSatisfy { $0 == 0 })
    // The eight calls that were under way were answered after it, and are not counted.
    #expect(times.latency.maximum > 500_000_000)
    #expect(times.count < server.callCount)
  }

  @Test func saysThatTheServerHasGone() throws {
    let server = try SetServer(connectionCount: 2, closesAfter: 100)
    #expect(throws: LoadFailure.self) { _ = try run(shape(), on: server) }
  }
}

/// Answers `+OK` to each whole SET of a record, on one thread.
private final class SetServer: Sendable {
  let port: Int
  private let calls = Atomic(0)

  struct Failure: Error {}

  var callCount: Int { calls.load(ordering: .relaxed) }

  init(
    connectionCount: Int, stallAfter: Int = .max, stallAt: UInt64 = .max, stall: UInt64 = 0,
    closesAfter: Int = .max
  ) throws {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isListening = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, length) == 0 && listen(listener, 16) == 0
          && getsockname(listener, $0, &length) == 0
      }
    }
    guard isListening else { throw Failure() }
    port = Int(UInt16(bigEndian: address.sin_port))
    WorkerThread(name: "server").start { [self] in
      var connections = (0..<connectionCount).map { _ in
        pollfd(fd: accept(listener, nil, nil), events: Int16(POLLIN), revents: 0)
      }
      close(listener)
      serve(
        &connections, stallAfter: stallAfter, stallAt: stallAt, stall: stall,
        closesAfter: closesAfter)
      for connection in connections { close(connection.fd) }
    }
  }

  private func serve(
    _ connections: inout [pollfd], stallAfter: Int, stallAt: UInt64, stall: UInt64,
    closesAfter: Int
  ) {
    let start = MonotonicClock.now()
    var seen = [Int](repeating: 0, count: connections.count)
    var hasStalled = false
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    // "*3\r\n$3\r\nSET\r\n$16\r\n" key "\r\n$100\r\n" record "\r\n"
    let requestByteCount = 18 + 16 + 8 + 100 + 2
    while poll(&connections, nfds_t(connections.count), -1) > 0 {
      for index in connections.indices where connections[index].revents != 0 {
        let count = recv(connections[index].fd, &buffer, buffer.count, 0)
        guard count > 0 else { return }
        seen[index] += count
        while seen[index] >= requestByteCount {
          seen[index] -= requestByteCount
          let number = calls.add(1, ordering: .relaxed).newValue
          if number >= closesAfter { return }
          let elapsed = MonotonicClock.now() - start
          if number >= stallAfter || elapsed >= stallAt, !hasStalled {
            hasStalled = true
            // What the test is about: a server that does nothing for a while.
            usleep(UInt32(stall / 1000))
          }
          _ = send(connections[index].fd, "+OK\r\n", 5, Int32(MSG_NOSIGNAL))
        }
      }
    }
  }
}
