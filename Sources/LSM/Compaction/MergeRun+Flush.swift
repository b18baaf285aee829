extension MergeRun {
  /// Writes a memtable as tables of level 0, all of whose entries are accounted for. Blocks on disk I/O.
  ///
  /// - Parameter what: what the flush is for, in the message of an error.
  /// - Throws: ``LSMError/brokenInvariant(_:)``; what `pause` and the file system throw.
  static func flush(
    _ memtable: Memtable, _ what: String, stripes: SnapshotStripes, epoch: UInt64,
    _ tables: TableStore, makeNumber: @escaping () -> FileNumber,
    pause: @escaping () throws(LSMError) -> Void
  ) throws(LSMError) -> (files: [TableFile], counts: MergeCounts) {
    var merge = MergeRun(
      [MergeSource(memtable)], tombstones: memtable.rangeTombstoneIndexes,
      Settings(stripes: stripes, epoch: epoch), tables, makeNumber: makeNumber, pause: pause)
    let files = try merge.run()
    try merge.counts.check(expected: UInt64(memtable.entries.count), what)
    return (files, merge.counts)
  }
}
