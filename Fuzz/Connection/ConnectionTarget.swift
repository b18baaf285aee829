import TestSupport
import Wire

/// Bytes as a client's socket would bring them, in pieces.
///
///     options: 8 | seed of the pieces: 8 | bytes …
///
/// Bit 0 of the options: the preface of HTTP/2 comes before the bytes. Bit 1: answers are compressed. Bit 2: messages
/// are inflated a piece at a time. Bit 3: time passes between the pieces. Bits 4 and 5: the pieces are of up to 1, 9,
/// 128 bytes, or all at once.
enum ConnectionTarget: FuzzTarget {
  static let name = "connection"
  static let maximumBytes = 4096

  static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

  static func seeds() throws -> [[UInt8]] {
    conversations.flatMap { bytes in
      [[0x30, 0] + bytes, [0x26, 7] + bytes, [0x19, 3] + bytes.dropFirst(preface.count)]
    }.filter { $0.count <= maximumBytes }
  }

  static func run(_ bytes: UnsafeRawBufferPointer) {
    var input = FuzzInput(bytes)
    let options = input.byte()
    var generator = SeededGenerator(seed: UInt64(input.byte()))
    let longest = [1, 9, 128, maximumBytes][Int(options >> 4 & 3)]
    let server = FuzzedServer(compresses: options & 2 != 0, hasShortTurns: options & 4 != 0)
    if options & 1 != 0 { server.receive(preface) }
    server.send()
    while !input.isEmpty, !server.isFinished {
      server.receive(input.bytes(longest == maximumBytes ? longest : 1 + generator.below(longest)))
      if generator.below(4) > 0 { server.send() }
      if options & 8 != 0 { server.wait(milliseconds: UInt64(generator.below(500))) }
      if generator.below(8) == 0 { server.complete(0, UInt8(generator.below(256)), [1, 2, 3]) }
    }
    server.send()
    server.close()
  }

  /// What a real client sends in a few conversations, with its answers to what it is sent.
  private static var conversations: [[UInt8]] {
    [
      conversation { client in _ = client.request("/f.S/Echo", body: framed([1, 2, 3])) },
      conversation { client in
        _ = client.request(
          "/f.S/Echo", body: framed([1]),
          headers: [
            ("authorization", "2"), ("x-a", "text"), ("x-b-bin", "AQID"), ("grpc-timeout", "1S"),
            ("grpc-accept-encoding", "identity,gzip"),
          ])
        _ = client.request("/f.S/Later", body: framed([2]))
        _ = client.request("/f.S/Refuse", body: framed(Array("why".utf8)))
      },
      conversation { client in
        _ = client.request("/f.S/Pages", body: framed([5, 0b1010_0000, 2]))
        _ = client.request(
          "/f.S/Chat", body: framed([2]) + framed([4, 4]) + framed([]),
          headers: [("grpc-encoding", "gzip")])
        client.ping()
      },
      conversation { client in
        _ = client.request(
          "/f.S/Echo", body: HTTP2TestClient.framed(FrameScript.gzip, flag: 1),
          headers: [("grpc-encoding", "gzip"), ("grpc-accept-encoding", "gzip")])
        client.reset(client.request("/f.S/Chat", body: framed([6]), endsStream: false))
      },
      conversation { client in
        _ = client.request("/f.S/None", body: framed([1]))
        _ = client.request("/f.S/Echo", body: framed([1]), method: "GET")
        _ = client.request("/f.S/Echo", body: framed([1]), contentType: "text/html")
        _ = client.request("/f.S/Echo", body: framed([]) + framed([]))
      },
    ]
  }

  private static func framed(_ message: [UInt8]) -> [UInt8] { HTTP2TestClient.framed(message) }

  private static func conversation(_ call: (HTTP2TestClient) -> Void) -> [UInt8] {
    let client = HTTP2TestClient()
    let server = FuzzedServer(compresses: true)
    call(client)
    var all: [UInt8] = []
    while true {
      let bytes = client.output()
      all += bytes
      server.receive(bytes)
      let answer = server.send()
      client.receive(answer)
      if bytes.isEmpty && answer.isEmpty { break }
    }
    server.close()
    return all
  }
}
