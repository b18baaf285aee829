package import Bytes

// SAFETY: `input` is read below its count while nothing is added to it, and what is kept of it is copied. The table of
// the slots is kept as long as the session.

/// The client's side of one Redis connection: requests are pipelined, and answers come in their order
/// (RESP2, redis.io "Redis serialization protocol specification").
///
/// Confined to its thread.
package final class RedisSession: ClientSession {
  package var finished: [Int] = []
  private let slots: SlotTable
  private var output = ByteWriter()
  /// Slots whose answers are awaited, oldest first, in a ring.
  private var waiting: [Int]
  private var first = 0
  private var waitingCount = 0
  /// Bytes of an answer that has not come completely.
  private var input = ByteWriter()

  package init(slots: SlotTable) {
    self.slots = slots
    waiting = Array(repeating: 0, count: slots.count)
    finished.reserveCapacity(slots.count)
  }

  package func submit(_ slot: Int) throws(LoadFailure) {
    precondition(waitingCount < waiting.count, "no more calls than slots")
    waiting[(first + waitingCount) % waiting.count] = slot
    waitingCount += 1
    unsafe output.append(slots.address(slot).pointee.request.bytes)
  }

  @safe
  package func receive(_ bytes: UnsafeRawBufferPointer) throws(LoadFailure) {
    input.append(bytes)
    var offset = 0
    while offset < input.count, let end = try answerEnd(from: offset) { offset = end }
    if offset == input.count {
      input.removeAll()
    } else if offset > 0 {
      let rest = unsafe Array(input.bytes[offset...])
      input.removeAll()
      input.append(rest)
    }
  }

  package func collectOutput(into output: inout ByteWriter) throws(LoadFailure) {
    unsafe output.append(self.output.bytes)
    self.output.removeAll()
  }

  /// Takes the answer at `offset` and returns where it ends; nil when it has not come completely.
  private func answerEnd(from offset: Int) throws(LoadFailure) -> Int? {
    let bytes = unsafe input.bytes
    guard let lineEnd = lineEnd(from: offset) else { return nil }
    let line = unsafe UnsafeRawBufferPointer(rebasing: bytes[(offset + 1)..<lineEnd])
    switch unsafe bytes[offset] {
    case UInt8(ascii: "+"), UInt8(ascii: ":"):
      try finish {
        $0.response.append(line)
        $0.outcome = .ok
      }
      return lineEnd + 2
    case UInt8(ascii: "-"):
      let text = unsafe String(decoding: line, as: UTF8.self)
      try finish { $0.outcome = .failed(text) }
      return lineEnd + 2
    case UInt8(ascii: "$"):
      guard let length = unsafe Int(String(decoding: line, as: UTF8.self)), length >= -1,
        length <= 1 << 30
      else { throw LoadFailure("a length of Redis is wrong") }
      if length < 0 {
        try finish { $0.outcome = .ok }
        return lineEnd + 2
      }
      let start = lineEnd + 2
      guard bytes.count >= start + length + 2 else { return nil }
      try finish {
        unsafe $0.response.append(UnsafeRawBufferPointer(rebasing: bytes[start..<start + length]))
        $0.outcome = .ok
      }
      return start + length + 2
    default:
      throw LoadFailure(unsafe "an answer of Redis begins with byte \(bytes[offset])")
    }
  }

  private func lineEnd(from offset: Int) -> Int? {
    let bytes = unsafe input.bytes
    var index = offset + 1
    while index + 1 < bytes.count {
      if unsafe bytes[index] == 13, unsafe bytes[index + 1] == 10 { return index }
      index += 1
    }
    return nil
  }

  private func finish(_ body: (inout CallSlot) -> Void) throws(LoadFailure) {
    guard waitingCount > 0 else { throw LoadFailure("Redis answers what was not asked") }
    let slot = waiting[first]
    first = (first + 1) % waiting.count
    waitingCount -= 1
    unsafe body(&slots.address(slot).pointee)
    finished.append(slot)
  }
}
