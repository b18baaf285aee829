import Bytes
import Engine
import Records
import Schema
import Wire

// SAFETY: the keys lie in a writer that is not changed while they are looked up. A value is lent until the visit
// returns, and is copied.

/// Look-ups of single records, in the order in which they came. Their keys lie one after the other in one piece of
/// memory, so that one more costs no allocation.
///
/// Thread-safety: none; one owner at a time.
struct PointReads: ~Copyable {
  /// One of them.
  struct Read {
    let token: CallToken
    /// Retained for the name of its model.
    let store: ModelStore
    let answer: ModelStore.PointAnswer
    /// Of the key as it is stored.
    let keyBytes: Int
    let cancellation: CallCancellation
  }

  /// Memory for keys that is kept.
  private static let retainedKeyBytes = 64 << 10

  private var reads: [Read] = []
  private var keys = ByteWriter()
  /// What comes before has been moved away.
  private var first = 0
  private var firstKey = 0

  var count: Int { reads.count - first }

  /// Adds one at the end.
  ///
  /// - Parameter key: as the request has it.
  @safe
  mutating func append(
    _ token: CallToken, _ key: UnsafeRawBufferPointer, _ store: ModelStore,
    _ answer: ModelStore.PointAnswer, _ cancellation: CallCancellation
  ) {
    let start = keys.count
    store.prefix.withKey(key) { keys.append($0) }
    reads.append(
      Read(
        token: token, store: store, answer: answer, keyBytes: keys.count - start,
        cancellation: cancellation))
  }

  /// Moves the first ones to the end of another, at most `count`; those that nobody waits for any more are dropped.
  ///
  /// - Returns: how many were moved or dropped.
  mutating func move(_ count: Int, to other: inout PointReads) -> Int {
    let start = first
    var left = count
    while left > 0 && first < reads.count {
      let read = reads[first]
      if !read.cancellation.isCancelled {
        other.keys.append(
          unsafe UnsafeRawBufferPointer(rebasing: keys.bytes[firstKey..<firstKey + read.keyBytes]))
        other.reads.append(read)
        left -= 1
      }
      first += 1
      firstKey += read.keyBytes
    }
    let moved = first - start
    if first == reads.count { removeAll() }
    return moved
  }

  mutating func removeAll() {
    reads.removeAll(keepingCapacity: true)
    keys.removeAll(keepingAtMost: Self.retainedKeyBytes)
    first = 0
    firstKey = 0
  }

  // MARK: - Answers

  /// What all answers have in common.
  struct Limits: Sendable {
    let maximumResponseBytes: Int
    /// Counts what is made until an event loop has it; nothing is read while it is spent.
    let answers: MemoryBudget
  }

  /// Looks all of them up and notes their answers. Blocks on the disk.
  ///
  /// One whose stored bytes cannot be read fails alone.
  ///
  /// - Precondition: nothing was moved away.
  func answer(
    from engine: any StorageEngine, _ limits: Limits, into completions: inout Completions
  ) {
    guard !limits.answers.isSpent else {
      for read in reads { completions.complete(read.token, .failed(.answerMemoryFull)) }
      return
    }
    let bytes = unsafe keys.bytes
    unsafe withUnsafeTemporaryAllocation(
      of: UnsafeRawBufferPointer.self, capacity: reads.count
    ) { keys in
      var end = 0
      for index in reads.indices {
        let start = end
        end += reads[index].keyBytes
        unsafe keys.initializeElement(
          at: index, to: UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
      }
      var next = 0
      while next < reads.count {
        let left = unsafe UnsafeBufferPointer(rebasing: keys[next...])
        do throws(EngineError) {
          let cache = reads[next].store.cache
          let tickets = cache.isInUse ? unsafe left.map { cache.ticket($0) } : []
          _ = try engine.get(left, snapshot: nil, tier: .any) { index, value in
            let read = reads[next]
            if !tickets.isEmpty, let value = unsafe value {
              unsafe cache.offer(left[index], value, tickets[index])
            }
            unsafe completions.complete(read.token, Self.outcome(read, left[index], value, limits))
            next += 1
            return .next
          }
          // An engine that visits fewer keys breaks its contract, and no call may wait for ever because of that.
          while next < reads.count {
            completions.complete(reads[next].token, .failed(StatusMapping.readUnanswered))
            next += 1
          }
          return
        } catch {
          // Those before it are answered.
          let read = reads[next]
          let status = StatusMapping.status(ofRead: error, model: read.store.model.fullName)
          completions.complete(read.token, .failed(status))
          next += 1
        }
      }
    }
  }

  /// - Parameters:
  ///   - key: as it is stored.
  ///   - value: nil when there is no such record.
  @safe
  private static func outcome(
    _ read: Read, _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer?, _ limits: Limits
  ) -> Completions.Outcome {
    if limits.answers.isSpent { return .failed(.answerMemoryFull) }
    var response = Completions.messageWriter()
    if let value = unsafe value, read.store.expiry?.hasPassed(value) != true {
      ModelStore.append(value, as: read.answer, to: &response)
    } else if case .alone = read.answer {
      return unsafe .failed(ModelReads.absent(clientKey(key), read.store))
    }
    guard response.count - Completions.prefixBytes <= limits.maximumResponseBytes else {
      return unsafe .failed(
        ModelReads.tooLarge(clientKey(key), read.store, limit: limits.maximumResponseBytes))
    }
    return .message(OwnedMessage(response, countedBy: limits.answers))
  }

  private static func clientKey(_ storedKey: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(rebasing: storedKey[KeyPrefix.byteCount...])
  }
}
