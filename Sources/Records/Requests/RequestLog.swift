import Bytes
import Engine
import Synchronization

// SAFETY: the engine lends keys and values to a visit; numbers are loaded where the count has room for them.

/// Which calls with a request id were made lately, and what they were answered (key kind 4, model 0):
///
///     bucket                 01, when the bucket was begun: nanoseconds since 1970, u64 little-endian
///     bucket, request id     see ``KeptAnswer``
///
/// A bucket is a u32, big-endian; it takes what is kept for ten minutes, then the next one does. A look finds what is
/// in the newest bucket and the one before it, so that an id counts for ten minutes at least. Older ones are deleted
/// with one range as a new one begins. An id is stored in the batch of what its call changes: both are there, or
/// neither.
///
/// Within a process ten minutes are ten minutes, whatever becomes of the date; a restart goes by the date when the
/// bucket was begun. One bucket is begun at a time: a clock that is wrong by years makes ids end early by a bucket, not
/// all.
///
/// Thread-safety: any thread; what is begun and kept, the commit thread alone.
final class RequestLog: Sendable {
  /// How long a bucket takes what is kept, in nanoseconds.
  static let bucketNanoseconds: UInt64 = 600_000_000_000
  static let prefix = KeyPrefix(.request, model: 0)
  static let bucketBytes = 4
  private static let headVersion: UInt8 = 1
  private static let headBytes = 9

  private struct State {
    /// 0 before there is any.
    var bucket: UInt32 = 0
    /// When it takes no more, by ``DatabaseClock/elapsed()``.
    var end: UInt64 = 0
    var isLoaded = false
  }

  private let engine: any StorageEngine
  private let clock: DatabaseClock
  private let state = Mutex(State())

  init(engine: any StorageEngine, clock: DatabaseClock) {
    self.engine = engine
    self.clock = clock
  }

  /// Finds out what is stored, the first time. Reads the engine.
  func load() throws(EngineError) {
    guard !state.withLock({ $0.isLoaded }) else { return }
    let newest = try Self.newestBucket(engine)
    var loaded = State(isLoaded: true)
    if let newest {
      loaded.bucket = newest
      loaded.end = clock.elapsed() + Self.bucketNanoseconds
      if let begun = try Self.begin(ofBucket: newest, engine) {
        let (now, length) = (clock.date(), Self.bucketNanoseconds)
        // A clock that went back says nothing: the bucket is as new as it can be.
        let age = now > begun ? min(now - begun, length) : 0
        loaded.end -= age
      }
    }
    state.withLock { $0 = loaded }
  }

  /// The keys under which an answer may be kept.
  func keys(of id: RequestID) -> [[UInt8]] {
    let bucket = state.withLock { $0.bucket }
    return [bucket, bucket &- 1].filter { $0 != 0 && $0 != .max }.map { Self.key($0, id.bytes) }
  }

  /// Appends what keeps an answer: to the newest bucket, or to the next one when that has ended.
  ///
  /// - Parameter answer: the stored form.
  /// - Returns: the key.
  func keep(
    _ answer: UnsafeRawBufferPointer, of id: RequestID, in batch: WriteBatch
  ) -> [UInt8] {
    let bucket = state.withLock { state -> UInt32 in
      let now = clock.elapsed()
      guard state.bucket == 0 || now >= state.end, state.bucket < .max - 1 else {
        return state.bucket
      }
      state.bucket += 1
      state.end = now + Self.bucketNanoseconds
      var head = ByteWriter()
      head.append(Self.headVersion)
      head.appendLittleEndian(clock.date())
      batch.put(Self.key(state.bucket, []), head.array())
      if state.bucket > 2 {
        batch.deleteRange(
          KeyRange(lower: Self.prefix.bytes, upper: Self.key(state.bucket - 1, [])))
      }
      return state.bucket
    }
    let key = Self.key(bucket, id.bytes)
    unsafe key.withUnsafeBytes { batch.put($0, answer) }
    return key
  }

  private static func key(_ bucket: UInt32, _ id: [UInt8]) -> [UInt8] {
    prefix.key(unsafe withUnsafeBytes(of: bucket.bigEndian) { unsafe Array($0) } + id)
  }

  private static func newestBucket(_ engine: any StorageEngine) throws(EngineError) -> UInt32? {
    var newest: UInt32?
    _ = try engine.scan(
      prefix.all, direction: .descending, limit: 1, snapshot: nil, tier: .any
    ) { key, _ in
      newest = unsafe Self.bucket(of: key)
      return .stop
    }
    return newest
  }

  /// nil for a key that is too short.
  private static func bucket(of key: UnsafeRawBufferPointer) -> UInt32? {
    guard key.count >= KeyPrefix.byteCount + bucketBytes else { return nil }
    let number = unsafe key.loadUnaligned(
      fromByteOffset: KeyPrefix.byteCount, as: UInt32.self)
    return UInt32(bigEndian: number)
  }

  /// nil when nobody wrote it, or a program that this one does not know.
  private static func begin(
    ofBucket bucket: UInt32, _ engine: any StorageEngine
  ) throws(EngineError) -> UInt64? {
    guard let head = try engine.value(forKey: key(bucket, [])) else { return nil }
    return unsafe head.withUnsafeBytes { unsafe Self.begin($0) }
  }

  static func begin(_ head: UnsafeRawBufferPointer) -> UInt64? {
    guard head.count == headBytes, unsafe head[0] == headVersion else { return nil }
    return UInt64(littleEndian: unsafe head.loadUnaligned(fromByteOffset: 1, as: UInt64.self))
  }
}
