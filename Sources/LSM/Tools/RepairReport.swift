/// What a repair says, as the file `REPORT` in its `lost+found-N`: durable before the store changes, so that a repair
/// that was killed before anybody read it is told by the next one.
///
///     seandb repair 1
///     problem: 000004.table at byte 757835: the checksum is …
///     lost: 000004.table: 56 entries are lost in all, of 20004
///     note: …
///     end
///
/// Lines of text, each ended by a newline. Without the last one it was cut short, and so was the repair, before it
/// changed anything. An empty file `TOLD` beside it says that somebody has got the lines.
package struct RepairReport: Equatable, Sendable {
  /// The folder in the store's directory.
  package let folder: String
  /// What the repair had to say: losses and notes, each with its prefix.
  package var lines: [String]

  /// The report's file, in the folder of what was replaced.
  package static let fileName = "REPORT"
  /// A file that says that somebody has got the report.
  package static let toldName = "TOLD"
  /// Before the number of a repair's folder.
  package static let folderPrefix = "lost+found-"
  /// Before a line of what is lost.
  package static let lossPrefix = "lost: "
  /// Before a line of what should be known.
  package static let notePrefix = "note: "
  private static let title = "seandb repair 1"
  private static let end = "end"
  private static let limitBytes = 1 << 30

  init(folder: String, lines: [String]) {
    self.folder = folder
    self.lines = lines
  }

  /// Whether anything was lost.
  package var hasLosses: Bool { lines.contains { $0.hasPrefix(Self.lossPrefix) } }

  /// Writes the file. Its bytes are durable then, its name with the next sync of the folder.
  func write(_ fileSystem: any FileSystem, _ directory: String) throws(LSMError) {
    let text = ([Self.title] + lines + [Self.end]).joined(separator: "\n") + "\n"
    try Self.create(
      Self.fileName, Array(text.utf8), fileSystem, directory + "/" + folder)
  }

  private static func create(
    _ name: String, _ bytes: [UInt8], _ fileSystem: any FileSystem, _ folder: String
  ) throws(LSMError) {
    let file = try fileSystem.create(folder + "/" + name)
    let written = Result { () throws(LSMError) in
      try bytes.withBytes { (bytes) throws(LSMError) in try file.append(bytes) }
      try file.sync()
    }
    // The first error is the one to report; closing writes nothing.
    do throws(LSMError) { try file.close() } catch {}
    try written.get()
  }

  /// The files of the reports of a store that nobody has got, by names alone: none that cannot be listed.
  package static func untoldFiles(_ fileSystem: any FileSystem, directory: String) -> [String] {
    let names = (try? fileSystem.list(directory)) ?? []
    return names.filter { $0.hasPrefix(folderPrefix) }.sorted().map { directory + "/" + $0 }
      .filter { folder in
        let names = (try? fileSystem.list(folder)) ?? []
        return names.contains(fileName) && !names.contains(toldName)
      }
      .map { $0 + "/" + fileName }
  }

  /// The reports of a store that nobody has got, the oldest first. Changes nothing.
  package static func untold(
    _ fileSystem: any FileSystem, directory: String
  ) throws(LSMError) -> [RepairReport] {
    let numbers = try fileSystem.list(directory).compactMap { name in
      name.hasPrefix(folderPrefix) ? UInt64(name.dropFirst(folderPrefix.count)) : nil
    }
    var reports: [RepairReport] = []
    for number in numbers.sorted() {
      let folder = folderPrefix + String(number)
      do throws(LSMError) {
        let names = try fileSystem.list(directory + "/" + folder)
        guard names.contains(fileName), !names.contains(toldName) else { continue }
        let bytes = try fileSystem.contents(
          of: "\(directory)/\(folder)/\(fileName)", limit: limitBytes)
        let lines = String(decoding: bytes, as: UTF8.self)
          .split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        guard lines.first == title, lines.count > 2, lines.suffix(2) == [end, ""] else { continue }
        reports.append(RepairReport(folder: folder, lines: Array(lines[1..<lines.count - 2])))
      } catch {
        let line =
          "\(notePrefix)what an earlier repair could not save may be in \(folder)/\(fileName), which cannot be "
          + "read: \(error)"
        reports.append(RepairReport(folder: folder, lines: [line]))
      }
    }
    return reports
  }

  /// Notes that somebody has got the report: no later repair tells it again.
  package static func setTold(
    _ fileSystem: any FileSystem, directory: String, folder: String
  ) throws(LSMError) {
    let path = directory + "/" + folder
    do throws(LSMError) {
      try create(toldName, [], fileSystem, path)
    } catch .alreadyExists {
      // Not durable yet, perhaps.
    }
    try fileSystem.syncDirectory(path)
  }
}

extension StoreRepair.Report {
  /// What is wrong, lost and to be known, a line each.
  package var lines: [String] {
    problems.map { "problem: \($0)" } + losses.map { RepairReport.lossPrefix + $0.description }
      + remarks.map { RepairReport.notePrefix + $0 }
  }

  /// Takes in what earlier repairs have not told, but for what this one says as well.
  mutating func add(_ untold: [RepairReport]) {
    untoldFolders = untold.map(\.folder)
    earlier = untold
    guard isNeeded else { return }
    let own = Set(lines)
    earlier = untold.compactMap { report in
      var report = report
      report.lines.removeAll { line in
        own.contains(line)
          || !(line.hasPrefix(RepairReport.lossPrefix) || line.hasPrefix(RepairReport.notePrefix))
      }
      return report.lines.isEmpty ? nil : report
    }
  }
}

extension StoreRepair {
  /// Notes that somebody has got a report. Until then it is told again by each later repair.
  package static func setTold(
    _ report: Report, _ fileSystem: any FileSystem, directory: String
  ) throws(LSMError) {
    for folder in report.untoldFolders + (report.folder.map { [$0] } ?? []) {
      try RepairReport.setTold(fileSystem, directory: directory, folder: folder)
    }
  }
}
