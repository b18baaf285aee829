/// The part of a ``BlockCache`` that inserts into some of its sets change, behind one lock.
// SAFETY of `@unchecked Sendable`: `state` is touched only by the thread that holds the mutex.
final class BlockCacheShard: @unchecked Sendable {
  struct State {
    /// Bytes of the blocks in the shard's slots, and of what each costs besides.
    var usedBytes = 0
    /// The next slot the hand looks at, counted from the shard's first.
    var hand = 0
    /// For each set of the shard, where it starts to look for what gives way when it is full.
    var setHands: [UInt8]
  }

  private let mutex = PosixMutex()
  private var state: State

  init(setCount: Int) {
    state = State(setHands: [UInt8](repeating: 0, count: setCount))
  }

  func withLock<Result: ~Copyable>(_ body: (inout State) -> Result) -> Result {
    mutex.lock()
    defer { mutex.unlock() }
    return body(&state)
  }
}
