/// An ordered key-value engine: the contract every back end keeps. What only a store in local files has is
/// ``LocalStore``.
///
/// What holds for every engine, and is proved by one conformance suite:
///
/// - **Order.** Keys and values are any bytes, also none at all. Keys are ordered by memcmp: byte by
///   byte, unsigned, a key before the longer keys that begin with it.
/// - **Batches.** A ``WriteBatch`` is atomic (after any crash all of it is there or none) and isolated
///   (no read sees a part of it). Its records take effect in their order: the last one wins.
/// - **Snapshots.** A snapshot is one consistent point; later batches do not show through it. A read
///   without one sees a single point too, taken when the read starts.
/// - **Durability.** After `apply(_, durability: .sync)` has returned, a power cut loses nothing of the
///   batch. After `.buffered`, the death of the process (kill -9) loses nothing of it, a power cut may.
/// - **Poison.** After a failed log write or fsync the engine takes no more writes: they throw
///   ``EngineError/readOnly(reason:)`` with the cause. Reads go on. Whether the batch that failed is
///   there after the next open is not known; the caller must say "unknown", not "no".
/// - **Pause.** While a full disk holds up flush or compaction, and nothing written is in doubt, writes throw
///   ``EngineError/writesPaused(reason:isDiskFull:)`` and are not stored. They go on by themselves once there
///   is room.
/// - **Sequence.** ``lastSequence()`` grows with every batch, and is never smaller after an open than it was
///   when the last acknowledged batch returned. Whoever keeps it elsewhere can tell that writes are gone.
/// - **Honesty.** Stored bytes that cannot be read are an error. No read returns fewer records than
///   there are, or "absent", because of an error.
///
/// After ``close()`` every call throws ``EngineError/closed``.
///
/// Thread-safety: every call, from any thread at any time. Calls block on disk I/O where they say so.
package protocol StorageEngine: AnyObject, Sendable {
  /// The same for all stores of the engine.
  var traits: EngineTraits { get }

  /// Looks one key up and hands its value to `visit`.
  ///
  /// - Parameters:
  ///   - snapshot: a snapshot of this engine, or nil for the newest state.
  ///   - tier: but with ``ReadTier/any`` the call never waits for the disk; it answers
  ///     ``ReadOutcome/wouldBlock`` when it would have to.
  ///   - visit: called at most once, with the stored bytes. They are borrowed: valid until it returns.
  ///     It must not close the engine.
  /// - Throws: ``EngineError/corruption(_:)`` or ``EngineError/io(_:)`` when the stored bytes cannot be
  ///   read; ``EngineError/foreignSnapshot``.
  @safe
  func get(
    _ key: UnsafeRawBufferPointer, snapshot: (any EngineSnapshot)?, tier: ReadTier,
    _ visit: (UnsafeRawBufferPointer) -> Void
  ) throws(EngineError) -> ReadOutcome

  /// Looks several keys up, and hands their values to `visit` in the order of the keys.
  ///
  /// Waits for memory and disk may overlap, which they cannot when the keys are looked up one by one.
  ///
  /// - Parameters:
  ///   - keys: any, in any order, also several times.
  ///   - snapshot: as for one key; without one each key is read at a moment of its own.
  ///   - tier: as for one key: `wouldBlock` is about the key after those that were visited.
  ///   - visit: called for each key, with its index and its stored bytes, nil when there is no such key. They are
  ///     borrowed: valid until it returns. It must not close the engine.
  /// - Returns: `complete`, `stopped` or `wouldBlock`.
  /// - Throws: as for one key. The keys before the one that cannot be read were visited.
  @safe
  func get(
    _ keys: UnsafeBufferPointer<UnsafeRawBufferPointer>, snapshot: (any EngineSnapshot)?,
    tier: ReadTier, _ visit: (_ index: Int, _ value: UnsafeRawBufferPointer?) -> ScanStep
  ) throws(EngineError) -> ScanOutcome

  /// Visits the records of `range` in key order, `ascending` from its start or `descending` from its end.
  ///
  /// On ``ScanOutcome/wouldBlock``, and when an error is thrown, the visitor has seen the first part of
  /// the answer, in order and without holes: go on after the last key it saw, or drop what it gathered.
  ///
  /// - Parameters:
  ///   - limit: the largest number of records to visit; 0 visits none.
  ///   - visit: gets key and value, borrowed until it returns. It must not close the engine.
  /// - Precondition: `limit >= 0`.
  /// - Throws: as ``get(_:snapshot:tier:_:)``; never ends early because of an error without throwing it.
  /// - Complexity: O(log n) to find the start, then O(1) a record.
  @safe
  func scan(
    _ range: KeyRange, direction: ScanDirection, limit: Int, snapshot: (any EngineSnapshot)?,
    tier: ReadTier,
    _ visit: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> ScanStep
  ) throws(EngineError) -> ScanOutcome

  /// Applies a batch with the durability asked for. Blocks on disk I/O. An empty batch does nothing.
  ///
  /// The batch is copied before the call returns and stays the caller's.
  ///
  /// - Throws: ``EngineError/readOnly(reason:)`` when an earlier write failed, or the error of this
  ///   write. It makes the engine read-only, unless the engine is certain that nothing of the batch is stored.
  func apply(_ batch: WriteBatch, durability: Durability) throws(EngineError)

  /// The state of now, kept readable until the snapshot is released. O(1), no I/O.
  func snapshot() throws(EngineError) -> any EngineSnapshot

  /// The sequence number of the newest change that is visible. O(1), no I/O.
  func lastSequence() throws(EngineError) -> UInt64

  /// Whether writes are taken, also when a job in the background has failed and no write has met that yet.
  ///
  /// Cheap enough for every second, not for every call: while writes are paused it may write an empty batch to
  /// see whether the pause is over.
  func writeState() -> WriteState

  /// Takes no more writes until the next open, as after a failed one; the first reason stays. For whoever sees
  /// from outside of the engine that its files are gone.
  ///
  /// - Parameter reason: what happened and what to do, as an operator should read it.
  func refuseWrites(_ reason: String)

  /// What an operator wants to know. Cheap enough for every few seconds, not for every call.
  func statistics() throws(EngineError) -> EngineStatistics

  /// Waits for the calls in flight, makes buffered writes durable, and gives files and memory back.
  ///
  /// Calls that start after it throw ``EngineError/closed``. Snapshots still held become useless but
  /// stay safe to release. A second close does nothing.
  ///
  /// - Precondition: not called from inside a visitor of this engine.
  /// - Throws: the error of the last fsync, or ``EngineError/readOnly(reason:)`` when the engine had stopped taking
  ///   writes and no write was told. The engine is closed all the same; only writes that were
  ///   `.buffered` may be lost then, and only by a power cut.
  func close() throws(EngineError)
}

/// A consistent point of one engine; created by ``StorageEngine/snapshot()``.
///
/// Holding one keeps overwritten and deleted records on disk, so hold it briefly. Releasing the last
/// reference releases it; that is safe on any thread, also after the engine was closed.
package protocol EngineSnapshot: AnyObject, Sendable {}

/// Where a read may look.
package enum ReadTier: Sendable {
  /// Memory and disk; may block.
  case any
  /// Only what is in memory already (memtables, block cache); never blocks on the disk.
  case memory
  /// As `memory`, and of the files what the operating system has in its page cache: never blocks on the disk, but each
  /// block costs some microseconds. The same as `memory` for an engine that has no files.
  case pageCache
}

extension ReadTier {
  /// Whether a read ends with `wouldBlock` where it would have to wait for the disk.
  // Not `==`, which on an enum of another module is a call (docs/decisions/0008-cross-module-optimization.md).
  @inline(__always)
  package var neverBlocks: Bool { if case .any = self { false } else { true } }
}

/// How a point read ended.
package enum ReadOutcome: Sendable, Equatable {
  /// The value was visited.
  case found
  /// There is no such key.
  case absent
  /// Not with ``ReadTier/any``: the answer is not where the tier may look. Nothing was visited.
  case wouldBlock
}

/// The order of a scan.
package enum ScanDirection: Sendable, CaseIterable {
  case ascending
  case descending
}

/// What a visitor wants next.
package enum ScanStep: Sendable, Equatable {
  case next
  case stop
}

/// How a scan ended, errors apart.
package enum ScanOutcome: Sendable, Equatable {
  /// Every record of the range was visited.
  case complete
  /// The visitor said ``ScanStep/stop``.
  case stopped
  /// `limit` records were visited. There may be more of them or not.
  case limitReached
  /// Not with ``ReadTier/any``: what comes next is not where the tier may look.
  case wouldBlock
}

/// How much must survive once a write has returned.
package enum Durability: Sendable, Equatable {
  /// Survives a power cut: the log was fsynced.
  case sync
  /// Survives kill -9: the log was handed to the operating system. A power cut may lose the last of it,
  /// up to what the kernel keeps back (about 30 s on Linux).
  case buffered
}

// SAFETY: Keys are lent until the call returns, and so are the bytes of an array. A value is copied while it is lent.
extension StorageEngine {
  /// One key after the other.
  @safe
  package func get(
    _ keys: UnsafeBufferPointer<UnsafeRawBufferPointer>, snapshot: (any EngineSnapshot)?,
    tier: ReadTier, _ visit: (_ index: Int, _ value: UnsafeRawBufferPointer?) -> ScanStep
  ) throws(EngineError) -> ScanOutcome {
    for index in keys.indices {
      var step = ScanStep.next
      switch try unsafe get(
        keys[index], snapshot: snapshot, tier: tier, { step = unsafe visit(index, $0) })
      {
      case .found: break
      case .absent: step = visit(index, nil)
      case .wouldBlock: return .wouldBlock
      }
      if step == .stop { return .stopped }
    }
    return .complete
  }

  /// The value of one key as an array, from the newest state. For set-up work, not for hot paths: it
  /// copies, and may block on the disk.
  package func value(
    forKey key: [UInt8], snapshot: (any EngineSnapshot)? = nil
  ) throws(EngineError) -> [UInt8]? {
    var value: [UInt8]?
    var failure: EngineError?
    unsafe key.withUnsafeBytes { bytes in
      do throws(EngineError) {
        _ = try get(bytes, snapshot: snapshot, tier: .any) { value = unsafe Array($0) }
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    return value
  }
}
