/// The PING that asks whether a client has read all that was sent, and its answer.
///
/// nghttp2 takes part in neither: it reads and sends nothing more once a GOAWAY was sent and no stream is left. So the
/// frame is made here, and its answer is looked for in the bytes that come, wherever their frames begin.
///
///     length 8: 24 bits | type 6: 8 | flags: 8 | stream 0: 32 | data: 64
package struct FarewellPing {
  private static let header: [UInt8] = [0, 0, 8, 6]
  private static let stream: [UInt8] = [0, 0, 0, 0]
  private static let answerFlag: UInt8 = 1

  /// The frame for the client.
  package let frame: [UInt8]
  private let answer: [UInt8]
  /// The last bytes that came, fewer than an answer has.
  private var rest: [UInt8] = []

  /// - Parameter data: comes back with the answer.
  package init(data: UInt64) {
    let bytes = (0..<8).map { UInt8(truncatingIfNeeded: data >> (56 - 8 * $0)) }
    frame = Self.header + [0] + Self.stream + bytes
    answer = Self.header + [Self.answerFlag] + Self.stream + bytes
  }

  /// Takes what came of the client; whether the answer has come with it.
  package mutating func isAnswered(by bytes: [UInt8]) -> Bool {
    let all = rest + bytes
    rest = Array(all.suffix(answer.count - 1))
    guard all.count >= answer.count else { return false }
    return (0...(all.count - answer.count)).contains {
      all[$0...].starts(with: answer)
    }
  }
}
