import LSM
import LSMTestSupport

/// What holds of every log, whatever its bytes.
enum LogPromises {
  struct Reading {
    var records: [LogScript.Record] = []
    var end: LogEnd?
    var isSealed = false
    var error: LSMError?
  }

  static func makeFileSystem() -> MemoryFileSystem {
    let fileSystem = MemoryFileSystem()
    require(
      (try? fileSystem.createDirectory(LogFixture.directory)) != nil, "a directory can be made")
    return fileSystem
  }

  static func read(
    _ fileSystem: MemoryFileSystem, _ name: FileName, store: StoreID?, ending: LogReader.Ending
  ) -> Reading {
    var reading = Reading()
    do throws(LSMError) {
      let reader = try LogReader(
        fileSystem, directory: LogFixture.directory, name: name, store: store, ending: ending)
      while let record = try reader.next() {
        reading.records.append(
          LogScript.Record(
            offset: record.offset, sequence: record.sequence, bytes: Array(record.bytes)))
      }
      let more = try reader.next()
      require(more == nil, "behind the end comes nothing")
      require((reader.end == nil) == (reader.header == nil), "a log with a header has an end")
      reading.end = reader.end
      reading.isSealed = reader.isSealed
    } catch {
      check(error)
      reading.error = error
    }
    return reading
  }

  /// The only errors that bytes may lead to.
  static func check(_ error: LSMError) {
    if case .unsupportedFormat = error { return }
    require(error.isCorruption, "wrong bytes are damage, not \(error)")
  }

  /// Reads a log as the last one, then as one that has a successor.
  @discardableResult
  static func check(_ bytes: [UInt8], _ name: FileName, store: StoreID?) -> Reading {
    let fileSystem = makeFileSystem()
    let path = name.path(in: LogFixture.directory)
    fileSystem.setBytes(of: path, bytes)
    let reading = read(fileSystem, name, store: store, ending: .open)
    for (before, after) in zip(reading.records, reading.records.dropFirst()) {
      require(
        before.sequence < after.sequence && before.offset < after.offset, "records ascend")
    }
    guard reading.error == nil, let end = reading.end else { return reading }
    require(end.length <= UInt64(bytes.count), "a log ends inside its file")
    if let last = reading.records.last {
      require(end.lastSequence == last.sequence, "the end names the last record")
      require(end.length > last.offset, "the end is behind the last record")
    }
    for length in [bytes.count, Int(end.length)] {
      fileSystem.setBytes(of: path, Array(bytes[..<length]))
      for ending: LogReader.Ending in [.open, .at(end)] {
        let again = read(fileSystem, name, store: store, ending: ending)
        require(
          again.error == nil,
          "a log can be read to the end it has: \(String(describing: again.error))")
        require(again.records == reading.records, "a log does not change by being read")
        require(again.end == end && again.isSealed == reading.isSealed, "an end stays where it is")
      }
    }
    return reading
  }
}
