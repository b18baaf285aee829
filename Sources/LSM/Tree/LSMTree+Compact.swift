extension LSMTree {
  /// Rewrites the tables that overlap a range so that what is overwritten or deleted gives its space back.
  ///
  /// Flushes first, then goes down level by level, one table at a time, so that little space is needed
  /// meanwhile. What a snapshot holds stays, and what is written after the call is not waited for. Waits for
  /// the end; ``cancelCompactions()`` cuts it short. Blocks on disk I/O.
  ///
  /// - Parameter upper: the first key after the range; nil: no end.
  @safe
  package func compact(
    from lower: UnsafeRawBufferPointer, upTo upper: UnsafeRawBufferPointer?
  ) throws(LSMError) {
    try flush()
    for level in 0..<Version.levelCount {
      // What is there now: a writer may add tables for ever.
      let due = state.withLock { state in
        Set(state.version.overlapping(lower, through: upper, at: level).map(\.metadata.number))
      }
      while let compaction = try takeManual(level, due, lower, upper) {
        do throws(LSMError) {
          try run(compaction)
        } catch {
          let isClosing = state.withLock { $0.isClosing }
          if !error.isPassing && !isClosing { poison(error) }
          throw error
        }
        _ = readState.reclaim()
        if options.backgroundThreads == 0 { runPendingWork() }
      }
    }
    removeObsoleteFiles()
  }

  /// Ends every compaction that ``compact(from:upTo:)`` runs or would begin: they throw
  /// ``LSMError/closed(path:)``. Called before ``close()``.
  package func cancelCompactions() {
    state.withLock { $0.isClosing = true }
    state.wakeAll()
  }

  /// Waits until nothing of the level is busy, then takes its next compaction; nil when there is none.
  @safe
  private func takeManual(
    _ level: Int, _ due: Set<FileNumber>, _ lower: UnsafeRawBufferPointer,
    _ upper: UnsafeRawBufferPointer?
  ) throws(LSMError) -> Compaction? {
    state.withLock { $0.waitingManuals += 1 }
    defer {
      state.withLock { $0.waitingManuals -= 1 }
      state.wakeAll()
    }
    return try state.wait { state in
      state.failure != nil || state.isClosing
        || !isBusy(state.version, level, lower, upper)
    } then: { (state) throws(LSMError) in
      if let failure = state.failure { throw .poisoned(cause: failure) }
      if state.isClosing { throw .closed(path: directory) }
      let found = manual(picker(state), level, due, lower, upper)
      if let found { begin(found, &state) }
      return found
    }
  }

  @safe
  private func isBusy(
    _ version: Version, _ level: Int, _ lower: UnsafeRawBufferPointer,
    _ upper: UnsafeRawBufferPointer?
  ) -> Bool {
    // Level 0 goes as a whole, and every table may need those it overlaps in the level below.
    let here = level == 0 ? version.level0 : version.overlapping(lower, through: upper, at: level)
    if here.contains(where: \.isCompacting) { return true }
    guard let span = KeySpan(of: here) else { return false }
    return span.withBounds { lower, upper in
      (max(level, 1)..<Version.levelCount).contains { deeper in
        version.overlapping(lower, through: upper, at: deeper).contains(where: \.isCompacting)
      }
    }
  }

  @safe
  private func manual(
    _ picker: CompactionPicker, _ level: Int, _ due: Set<FileNumber>,
    _ lower: UnsafeRawBufferPointer,
    _ upper: UnsafeRawBufferPointer?
  ) -> Compaction? {
    let files = picker.version.overlapping(lower, through: upper, at: level)
      .filter { due.contains($0.metadata.number) }
    if files.isEmpty { return nil }
    if level == 0 { return picker.wholeLevel0(.manual) }
    for file in files {
      if let found = picker.settle(file, at: level, isManual: true) { return found }
    }
    return nil
  }
}
