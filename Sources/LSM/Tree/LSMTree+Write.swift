import Synchronization

extension LSMTree {
  /// Applies a batch, as ``BatchReader`` reads it: atomic and isolated, its records in their order. Blocks on
  /// disk I/O, and while flush or compaction are behind. An empty batch does nothing.
  ///
  /// - Parameter sync: false: survives kill -9 once the call has returned. true: a power cut too.
  /// - Throws: ``LSMError/malformedBatch(offset:)`` and ``LSMError/tooLarge(bytes:limit:)`` before anything is
  ///   changed; ``LSMError/refused(cause:)``: nothing of the batch is stored, a later one may be;
  ///   ``LSMError/poisoned(cause:)``; the error of this write, which poisons the tree: whether the batch is there
  ///   after the next open is not known then.
  @safe
  package func apply(_ batch: UnsafeRawBufferPointer, sync: Bool) throws(LSMError) {
    let summary = try BatchReader.summary(of: batch)
    try requireWritable()
    if summary.count == 0 { return }
    try options.limits.check(summary, batchBytes: batch.count)
    stalls.delay(batch.count)
    try writes.pass { () throws(LSMError) in
      try makeRoom(for: summary)
      try requireWritable()
      let last = try append(batch, count: UInt64(summary.count), sync: sync)
      try memtable.insert(batch, first: last - UInt64(summary.count) + 1)
      visible.store(last, ordering: .releasing)
    }
  }

  /// Writes the batch to the log.
  /// - Returns: the sequence number of its last record.
  @safe
  private func append(
    _ batch: UnsafeRawBufferPointer, count: UInt64, sync: Bool
  ) throws(LSMError) -> UInt64 {
    guard let log else { throw .closed(path: directory) }
    let last = visible.load(ordering: .relaxed) + count
    guard last <= SequenceNumber.maximum.rawValue else {
      throw .brokenInvariant("there are no sequence numbers left")
    }
    do throws(LSMError) {
      try log.append(batch, sequence: last)
      if sync { try log.sync() } else { try log.write() }
    } catch {
      if endsBeforeFailure(log) {
        note(error, of: .log)
        throw .refused(cause: error)
      }
      poison(error)
      throw error
    }
    return last
  }

  /// Ends the log before a batch that found no space in it; false when that fails too.
  private func endsBeforeFailure(_ log: LogWriter) -> Bool {
    guard log.mayEndBeforeFailure else { return false }
    do throws(LSMError) {
      logEnd = try log.endBeforeFailure()
    } catch {
      return false
    }
    self.log = nil
    return true
  }

  // MARK: - Room

  private func makeRoom(for summary: BatchReader.Summary) throws(LSMError) {
    if log != nil, !memtable.isFull(options),
      memtable.hasRoom(recordCount: summary.count, bytes: summary.bytes)
    {
      return
    }
    try requireWritable()
    let capacity = options.limits.capacity(
      forMemtableOf: options.memtableSizeBytes, andFirst: summary)
    if log != nil, memtable.isEmpty {
      // Only a batch larger than a whole memtable comes here.
      return replaceEmptyMemtable(capacity: capacity)
    }
    try waitForFlushes()
    try rotate(capacity: capacity)
  }

  /// Begins the log that could not be begun, should that be the trouble. Otherwise only the next write tries it.
  ///
  /// Blocks on disk I/O, and not on flush or compaction: without room for a memtable it does nothing. What fails is
  /// noted as ``trouble``.
  package func retryLog() {
    guard trouble?.work == .log else { return }
    writes.pass {
      guard log == nil, hasRoom else { return }
      do throws(LSMError) {
        try requireWritable()
        try rotate(capacity: options.limits.capacity(forMemtableOf: options.memtableSizeBytes))
      } catch {
        // Noted where it failed.
      }
    }
  }

  private func replaceEmptyMemtable(capacity: Int) {
    let new = Memtable(capacityBytes: capacity)
    memtable = new
    state.withLock { state in
      state.memtable = new
      publish(&state)
    }
  }

  /// Waits until one more full memtable may wait for its flush, and level 0 is not full.
  private func waitForFlushes() throws(LSMError) {
    if options.backgroundThreads == 0 { runPendingWork() }
    func mayGoOn(_ state: State) -> Bool {
      state.immutables.count < options.maximumImmutableMemtables
        && state.version.level0.count < options.level0StopCount
    }
    /// What fails of the work that would make room. It is tried again, for longer than a writer may wait.
    func setback(_ state: State) -> Setback? {
      if mayGoOn(state) { return nil }
      return state.immutables.count < options.maximumImmutableMemtables
        ? state.compactionSetback : state.flushSetback
    }
    try state.wait { state in
      state.failure != nil || state.isClosing || mayGoOn(state) || setback(state) != nil
        || !isWorking(state)
    } then: { (state) throws(LSMError) in
      if let failure = state.failure { throw .poisoned(cause: failure) }
      if state.isClosing { throw .closed(path: directory) }
      if let setback = setback(state) { throw .refused(cause: setback.cause) }
      // Whoever waits must wait for something.
      guard mayGoOn(state) else {
        throw .brokenInvariant("writes are stalled, and no job is running or due")
      }
    }
  }

  /// Begins a new memtable and a new log; the old ones wait for their flush.
  /// - Precondition: inside `writes`.
  func rotate(capacity: Int) throws(LSMError) {
    let last = SequenceNumber(rawValue: visible.load(ordering: .relaxed))
    // Durable to its end before the next log has a record: a crash never keeps a later write and loses an
    // earlier one.
    try endLog()
    let number = try beginLog()
    let new = Memtable(capacityBytes: capacity)
    memtable = new
    state.withLock { state in
      state.immutables.append(
        ImmutableMemtable(memtable: state.memtable, log: state.memtableLog, lastSequence: last))
      state.memtable = new
      state.memtableLog = number
      publish(&state)
    }
    state.wakeAll()
    if options.backgroundThreads == 0 { runPendingWork() }
  }

  /// Ends the log, if there is one, durable to its end.
  private func endLog() throws(LSMError) {
    guard let log else { return }
    do throws(LSMError) {
      logEnd = try log.finish()
      self.log = nil
    } catch {
      poison(error)
      throw error
    }
  }

  /// Makes a log after the one that was ended. While that fails, everything acknowledged is durable in the old
  /// ones, and writes are refused.
  ///
  /// - Throws: ``LSMError/refused(cause:)``.
  private func beginLog() throws(LSMError) -> FileNumber {
    guard let logEnd else { throw .closed(path: directory) }
    let number = state.withLock { $0.takeFileNumber() }
    do throws(LSMError) {
      if let stray = strayLog {
        // It may be whole, and would be one more log after the same one.
        do throws(LSMError) {
          try fileSystem.remove(FileName.log(stray).path(in: directory))
        } catch .notFound {}
        try fileSystem.syncDirectory(directory)
      }
      strayLog = number
      log = try LogWriter(
        fileSystem, directory: directory, name: .log(number), store: store, after: logEnd,
        preallocates: options.preallocatesLogs)
    } catch {
      guard error.isPassing else {
        poison(error)
        throw error
      }
      note(error, of: .log)
      throw .refused(cause: error)
    }
    self.logEnd = nil
    strayLog = nil
    note(nil, of: .log)
    return number
  }

  /// Writes what is in memory to tables and waits for it. Blocks on disk I/O.
  ///
  /// - Throws: ``LSMError/poisoned(cause:)``; ``LSMError/refused(cause:)`` when it cannot be done at the moment, after
  ///   one try.
  package func flush() throws(LSMError) {
    try requireWritable()
    let target = try writes.pass { () throws(LSMError) -> SequenceNumber in
      let last = SequenceNumber(rawValue: visible.load(ordering: .relaxed))
      if !memtable.isEmpty {
        try waitForFlushes()
        try rotate(capacity: options.limits.capacity(forMemtableOf: options.memtableSizeBytes))
      }
      return last
    }
    let failures = state.withLock { state in
      // Now, and not when its time has come.
      state.flushSetback?.retryAt = 0
      return state.flushFailureCount
    }
    state.wakeAll()
    if options.backgroundThreads == 0 { runPendingWork() }
    try state.wait { state in
      state.flushedSequence >= target || state.failure != nil || state.isClosing
        || state.flushFailureCount > failures
    } then: { (state) throws(LSMError) in
      if state.flushedSequence >= target { return }
      if let failure = state.failure { throw .poisoned(cause: failure) }
      if let setback = state.flushSetback { throw .refused(cause: setback.cause) }
      throw .closed(path: directory)
    }
  }
}

// SAFETY: The batch is borrowed until the call returns; the memtable copies what it keeps.
extension Memtable {
  /// Whether it is time for a flush.
  func isFull(_ options: TreeOptions) -> Bool {
    usedBytes >= min(options.memtableSizeBytes, TreeLimits.fullMemtableBytes)
      || rangeTombstoneCount >= options.rangeDeletesBeforeFlush
  }

  /// Inserts a batch's records; the first gets the sequence number `first`.
  ///
  /// - Precondition: the batch was checked, and fits.
  @safe
  func insert(_ batch: UnsafeRawBufferPointer, first: UInt64) throws(LSMError) {
    var reader = try unsafe BatchReader(batch)
    if reader.count == 1 {
      if let record = try reader.next() { insert(record, SequenceNumber(rawValue: first)) }
      return
    }
    var sequence = first
    var tombstones: [RangeTombstone] = []
    var group = SkipList.Group()
    let nothing = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
    while let record = try reader.next() {
      let number = SequenceNumber(rawValue: sequence)
      switch record {
      case .put(let key, let value):
        insert(key, value: value, sequence: number, kind: .value, with: &group)
      case .delete(let key):
        insert(key, value: nothing, sequence: number, kind: .tombstone, with: &group)
      case .deleteRange(let lower, let upper):
        tombstones.append(copy(lower: lower, upper: upper, sequence: number))
      }
      sequence &+= 1
    }
    entries.insert(&group)
    // All at once: nobody reads the batch before it is published, and each addition makes an index anew.
    if !tombstones.isEmpty { add(tombstones) }
  }

  private func insert(_ record: BatchReader.Record, _ number: SequenceNumber) {
    switch record {
    case .put(let key, let value): insert(key, value: value, sequence: number, kind: .value)
    case .delete(let key):
      let nothing = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
      insert(key, value: nothing, sequence: number, kind: .tombstone)
    case .deleteRange(let lower, let upper):
      deleteRange(lower: lower, upper: upper, sequence: number)
    }
  }
}
