import Bytes
import CNghttp2

// SAFETY: `session` is valid (invariant 4 of `Connection`).

/// The credit that clients get for what they send.
///
/// Every call may send the protocol's first window, 65,535 bytes. What a longer message needs beyond is reserved when
/// half of that has come, all of it at once, so that calls do not wait for each other with half a message each. There
/// is as much as `WireConfiguration.maximumAssembledBytes` says; then long messages wait for each other, one after
/// the other: at least one gets on. So many calls with long messages take turns, and none is refused.
extension Connection {
  /// The window of each stream, until its message turns out to be a long one (RFC 9113 §6.9.2).
  static let firstWindowBytes = 65_535
  private static let creditStepBytes = 32 << 10

  /// Lets the client send as many more bytes on a stream as were taken of it, if they are needed.
  @inline(__always)
  func giveCredit(_ slot: SlotReference, _ bytes: Int) {
    slot.pointee.uncreditedBytes += bytes
    // Most requests are over long before.
    if slot.pointee.uncreditedBytes >= Self.creditStepBytes { giveCreditNow(slot) }
  }

  private func giveCreditNow(_ slot: SlotReference) {
    guard slot.pointee.state == .receiving, !reserve(slot) else { return consume(slot) }
    guard !slot.pointee.waitsForCredit else { return }
    slot.pointee.waitsForCredit = true
    waitingForCredit.append((slot.pointee.index, slot.pointee.generation))
  }

  /// Reserves the rest of a call's message, if it is not yet and there is room.
  ///
  /// - Returns: whether the client may go on; also when nothing is missing.
  private func reserve(_ slot: SlotReference) -> Bool {
    guard slot.pointee.prefixCount == MessagePrefix.byteCount, slot.pointee.reservedBytes == 0
    else { return true }
    let missing = slot.pointee.messageLength - slot.pointee.request.count
    guard missing > 0 else { return true }
    let hasShare = assembledBytes + reservedBytes + missing <= configuration.maximumAssembledBytes
    guard reservedBytes == 0 || hasShare, !loop.budgets.requests.isSpent(for: assembledBytes)
    else { return false }
    slot.pointee.reservedBytes = missing
    reservedBytes += missing
    let window = min(missing, configuration.streamWindowBytes)
    if window > Self.firstWindowBytes {
      unsafe nghttp2_session_set_local_window_size(
        session, 0, slot.pointee.streamID, Int32(window))
    }
    return true
  }

  private func consume(_ slot: SlotReference) {
    unsafe nghttp2_session_consume_stream(
      session, slot.pointee.streamID, slot.pointee.uncreditedBytes)
    slot.pointee.uncreditedBytes = 0
  }

  /// Bytes of a long message came, or none will come any more.
  func useReservation(_ slot: SlotReference, _ bytes: Int) {
    let used = min(bytes, slot.pointee.reservedBytes)
    slot.pointee.reservedBytes -= used
    reservedBytes -= used
  }

  /// Goes on with the calls that wait, in the order in which they came.
  func giveWaitingCredit() {
    var next = 0
    while next < waitingForCredit.count {
      let (index, generation) = waitingForCredit[next]
      if let slot = liveSlot(index, generation), slot.pointee.state == .receiving {
        guard reserve(slot) else { break }
        slot.pointee.waitsForCredit = false
        consume(slot)
      }
      next += 1
    }
    waitingForCredit.removeFirst(next)
  }
}
