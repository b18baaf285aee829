import ArgumentParser

/// `seandb verify`.
struct VerifyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Reads everything a store holds and reports all that is damaged.",
    discussion: """
      Changes nothing and takes no lock, so it works beside a running server. Every problem is a line on \
      stdout, with file and offset; the last line sums up. Exit code 0: the store is whole. 1: it is not.

      Of the engine lsm it checks every checksum, the order of all keys, all counts and bounds, that filter and \
      index lead to every entry, the logs, and that the manifest agrees with the files. Of RocksDB it reads all \
      records in both directions. Of both it looks whether the records and the entries of their indexes agree, both \
      ways, and whether request ids and changes that are kept can be read.
      """)

  @OptionGroup var store: StoreArgument

  func run() async throws {
    let location = store.locate()
    var verdict = location.tools.verify(location)
    // What cannot be read would be missing as entries too.
    if verdict.problemCount == 0 { KeptDataTools.verify(location, &verdict) }
    let word = verdict.problemCount == 0 ? "ok" : "damaged"
    let all = verdict.contents + [ReportText.count(verdict.problemCount, "problem")]
    Terminal.say("\(word): " + all.joined(separator: ", "))
    Terminal.end(verdict.problemCount == 0 ? 0 : Terminal.failure)
  }
}
