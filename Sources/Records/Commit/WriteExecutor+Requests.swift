import Bytes
import Engine

// SAFETY: what the engine or the batch lends is copied before its visit ends. A writer is not changed while its bytes
// are put into a batch, which copies them.

/// Calls with a request id: made once, and answered as often as they are sent.
extension WriteExecutor {
  mutating func execute(
    _ call: CommandList.Call, _ list: CommandList, _ id: RequestID, _ batch: WriteBatch,
    _ tier: ReadTier
  ) throws(Stop) {
    do throws(EngineError) { try requests.load() } catch { throw .failed(error) }
    var first = unsafe CommandReader(list.bytes.bytes, call)
    _ = first.tag()
    let kind = KeptAnswer(of: call, returning: first.write().returning.rawValue)
    let start = answers.count
    for key in requests.keys(of: id) {
      if try answer(under: key, id, kind, batch, tier) {
        answer = start..<answers.count
        return
      }
    }
    try executeConditional(call, list, batch, tier)
    var kept = ByteWriter()
    unsafe kind.append(UnsafeRawBufferPointer(rebasing: answers.bytes[start...]), to: &kept)
    let key = unsafe requests.keep(kept.bytes, of: id, in: batch)
    let end = batch.byteCount
    unsafe key.withUnsafeBytes { overlay.note($0, .put(end - kept.count..<end)) }
  }

  /// Appends the answer that is kept under a key.
  ///
  /// - Returns: whether there is one.
  private mutating func answer(
    under key: [UInt8], _ id: RequestID, _ kind: KeptAnswer, _ batch: WriteBatch, _ tier: ReadTier
  ) throws(Stop) -> Bool {
    var stop: Stop?
    var isThere = false
    unsafe key.withUnsafeBytes { key in
      do throws(Stop) {
        isThere = try read(key, batch, tier) { (executor, value) throws(Stop) in
          guard let kept = KeptAnswer.read(value) else { throw .refused(.unreadableAnswer(id)) }
          guard unsafe kept.head.isAlike(kind) else { throw .refused(.requestIDReused(id)) }
          unsafe executor.answers.append(kept.message)
        }
      } catch {
        stop = error
      }
    }
    if let stop { throw stop }
    return isThere
  }
}
