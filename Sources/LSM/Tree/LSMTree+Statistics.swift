/// The state of a tree for operators. Each figure is of its own moment; estimates say so.
package struct TreeStatistics: Sendable {
  /// The tables of a level.
  package struct Level: Equatable, Sendable {
    /// Tables.
    package var fileCount = 0
    /// Sizes of their files.
    package var bytes: UInt64 = 0
  }

  /// Level 0 first.
  package var levels: [Level] = []
  /// Estimate: overwrites and deletes that are not compacted yet count as keys.
  package var estimatedKeyCount: UInt64 = 0
  /// Range tombstones in tables and memtables.
  package var rangeTombstoneCount: UInt64 = 0
  /// Used by memtables, those that wait for a flush among them.
  package var memtableBytes: UInt64 = 0
  /// Full memtables.
  package var memtablesWaitingForFlush = 0
  /// What blocks and pinned parts of tables may take together: ``TreeOptions/cacheSizeBytes``.
  package var cacheCapacityBytes = 0
  /// Blocks in the cache.
  package var cacheUsedBytes = 0
  /// Indexes and filters of open tables; counted against the cache's capacity.
  package var pinnedTableBytes = 0
  /// Whether a memtable is being written to a table.
  package var isFlushing = false
  /// Those under way now, manual ones among them.
  package var runningCompactions = 0
  /// Estimate.
  package var pendingCompactionBytes: UInt64 = 0
  /// Bytes a second that writes are held down to; 0: not held down.
  package var delayedWriteRate: UInt64 = 0
  /// Whether writes wait for level 0 to get smaller.
  package var isWriteStopped = false
  /// Snapshots in force.
  package var snapshotCount = 0
  /// Bytes of the logs that recovery would read.
  package var logBytes: UInt64 = 0
  /// Sums since the tree was opened.
  package var totals = TreeTotals()
  /// What poisoned the tree; nil: it takes writes.
  package var failure: LSMError?
  /// See ``LSMTree/trouble``.
  package var trouble: TreeTrouble?

  package init() {}
}

extension LSMTree {
  /// Cheap enough for every few seconds. Reads the directory.
  package func statistics() throws(LSMError) -> TreeStatistics {
    var statistics = TreeStatistics()
    let state = state.withLock { $0 }
    let memtables = state.immutables.map(\.memtable) + [state.memtable]
    statistics.levels = (0..<Version.levelCount).map {
      .init(fileCount: state.version.files(at: $0).count, bytes: state.version.bytes(at: $0))
    }
    for file in state.version.allFiles {
      let metadata = file.metadata
      statistics.estimatedKeyCount +=
        metadata.entryCount - min(2 * metadata.tombstoneCount, metadata.entryCount)
      statistics.rangeTombstoneCount += metadata.rangeTombstoneCount
    }
    for memtable in memtables {
      statistics.estimatedKeyCount += UInt64(memtable.entries.count)
      statistics.rangeTombstoneCount += UInt64(memtable.rangeTombstoneCount)
      statistics.memtableBytes += UInt64(memtable.usedBytes)
    }
    statistics.memtablesWaitingForFlush = state.immutables.count
    statistics.cacheCapacityBytes = tables.cache.capacityBytes
    statistics.cacheUsedBytes = tables.cache.usedBytes
    statistics.pinnedTableBytes = tables.cache.reserved
    statistics.isFlushing = state.isFlushing
    statistics.runningCompactions = state.runningCompactions
    statistics.pendingCompactionBytes = picker(state).pendingBytes
    statistics.delayedWriteRate = stalls.bytesPerSecond
    statistics.isWriteStopped = state.version.level0.count >= options.level0StopCount
    statistics.snapshotCount = snapshots.count
    statistics.totals = state.totals
    statistics.failure = state.failure
    statistics.trouble = trouble
    for text in try fileSystem.list(directory) {
      guard case .log(let number)? = FileName(text), number >= state.logNumber,
        number.rawValue < state.nextFileNumber
      else { continue }
      let path = FileName.log(number).path(in: directory)
      // One that was given up meanwhile, or cannot be opened now, counts for nothing.
      do throws(LSMError) {
        let file = try fileSystem.open(path)
        statistics.logBytes += file.size
        file.close()
      } catch {}
    }
    return statistics
  }
}
