import ArgumentParser
import Glibc
import Schema

/// `seandb check`.
struct CheckCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Says whether a schema may replace another without breaking stored records.",
    discussion: """
      Compares by the WIRE rules of `buf breaking`, and by what the database needs of keys and models. \
      Exit code 0: it may. 1: it may not; each violation stands on its line, with its place in NEW and \
      the rule's name.
      """)

  @Argument(help: "The schema in use.", completion: .file(extensions: ["proto"]))
  var old: String

  @Argument(help: "The schema to replace it.", completion: .file(extensions: ["proto"]))
  var new: String

  @Option(
    name: [.customShort("I"), .customLong("proto-path")],
    help: "A directory to look for imports in. May be given several times.")
  var includeDirectories: [String] = []

  func run() async throws {
    let old = await SchemaInput.compile(old, includeDirectories: includeDirectories)
    let new = await SchemaInput.compile(new, includeDirectories: includeDirectories)
    let violations = SchemaCompatibility.violations(old: old, new: new)
    for violation in violations { Terminal.warn("\(violation.diagnostic)") }
    guard violations.isEmpty else { Terminal.end(Terminal.failure) }
    Terminal.say("compatible: \(new.sourceName) may replace \(old.sourceName)")
  }
}
