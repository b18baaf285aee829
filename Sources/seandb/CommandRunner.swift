import ArgumentParser
import Glibc

/// Runs the command that the arguments name, and says in a line what is wrong with them when nothing is run.
enum CommandRunner {
  /// Exit code for a wrong command line (sysexits' EX_USAGE).
  static let badUsage: Int32 = 64

  static func run<Root: AsyncParsableCommand>(_ root: Root.Type, _ arguments: [String]) async {
    if let problem = unknownCommand(arguments, of: root) { Terminal.fail(problem, code: badUsage) }
    do {
      var command = try await Root.asyncParseAsRoot(arguments)
      if var command = command as? any AsyncParsableCommand {
        try await command.run()
      } else {
        try command.run()
      }
    } catch {
      guard Root.exitCode(for: error) == .validationFailure else { Root.exit(withError: error) }
      Terminal.warn("error: " + sentence(Root.message(for: error)))
      // The last line of the library's text; the synopsis before it is longer than what it helps.
      if let pointer = Root.fullMessage(for: error).split(separator: "\n").last,
        pointer.hasPrefix("  See '")
      {
        Terminal.warn(String(pointer.dropFirst(2)))
      }
      Terminal.end(badUsage)
    }
  }

  /// The library's own sentences begin with a capital; ours follow `error: `.
  private static func sentence(_ message: String) -> String {
    message.prefix(1).lowercased() + message.dropFirst()
  }

  // MARK: - Commands that are not there

  private static func unknownCommand(
    _ arguments: [String], of root: any ParsableCommand.Type
  ) -> String? {
    let commands = root.configuration.subcommands.compactMap { $0.configuration.commandName }
    guard !commands.isEmpty, let first = arguments.first else { return nil }
    let asksForHelp = first == "help"
    let word = asksForHelp ? arguments.dropFirst().first { !$0.hasPrefix("-") } ?? first : first
    guard !word.hasPrefix("-"), word != "help", !commands.contains(word) else { return nil }
    let what = asksForHelp ? "no help on `\(word)`" : "no command `\(word)`"
    if let near = nearest(word, in: commands + ["help"]) {
      return "\(what); did you mean `\(near)`?"
    }
    if word.hasSuffix(".proto") { return "\(what); did you mean `create \(word)`?" }
    let list = commands.dropLast().joined(separator: ", ") + " and \(commands.last ?? "")"
    return "\(what); the commands are \(list)"
  }

  /// The command that a mistyped word is nearest to, when it is near.
  private static func nearest(_ word: String, in commands: [String]) -> String? {
    let word = word.lowercased()
    let found = commands.map { (distance(word, $0), $0) }.min { $0.0 < $1.0 }
    guard let (distance, command) = found, distance <= max(1, command.count / 3) else { return nil }
    return command
  }

  /// Letters to insert, drop, replace or swap with the next one.
  private static func distance(_ first: String, _ second: String) -> Int {
    let (a, b) = (Array(first), Array(second))
    var rows = [Array(0...b.count)]
    for i in 1..<max(1, a.count + 1) {
      var row = [i]
      for j in 1..<max(1, b.count + 1) {
        var least = min(
          rows[i - 1][j] + 1, row[j - 1] + 1, rows[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1))
        if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] {
          least = min(least, rows[i - 2][j - 2] + 1)
        }
        row.append(least)
      }
      rows.append(row)
    }
    return rows[a.count][b.count]
  }
}
