import ArgumentParser
import Engine
import Records
import Server

/// `seandb repair`.
struct RepairCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "repair",
    abstract: "Makes a damaged store open again, and says exactly what could not be saved.",
    discussion: """
      With the server stopped. Of the engine lsm, whole tables stay; damaged ones are written anew from what can \
      be read; without a readable manifest all tables are merged. The logs are replayed up to the first damage. \
      Replaced files are kept in store/lost+found-N. A store in which nothing is wrong is not changed.

      Of RocksDB, whose own tool `ldb repair` mends its files, it reads all records. Of both engines it takes the \
      store as it is then: it says how many acknowledged changes are gone, and the next start does not miss them.

      Exit code 0: the store is whole, and nothing was lost. 1: something was lost (each loss is a line that \
      begins with "lost:"; the store opens all the same), or the repair failed. 75: a server is using it; nothing was changed.
      """)

  @OptionGroup var store: StoreArgument

  @Flag(help: "Only say what is wrong and what would be lost.")
  var dryRun = false

  @Flag(help: "Make the entries of all indexes anew from the records, and nothing else.")
  var indexes = false

  func validate() throws {
    guard !indexes || !dryRun else {
      throw ValidationError("--indexes has no --dry-run: `seandb verify` says what is wrong")
    }
  }

  func run() async throws {
    let location = store.locate()
    OpenFileLimit.raise()
    if indexes { KeptDataTools.rebuild(location) }
    let lock: StoreLock
    do throws(DatabaseError) {
      try location.checkStore(among: .installed)
      lock = try StoreLock(location)
    } catch {
      if case .directoryInUse(let path) = error { Self.failInUse(path) }
      Terminal.fail(error)
    }
    withExtendedLifetime(lock) {
      let mending = location.tools.repair(location, isDryRun: dryRun)
      accept(location, mending)
    }
  }

  static func failInUse(_ path: String) -> Never {
    Terminal.fail(
      "\(path) is in use; stop the server that has it, then run this again",
      code: Terminal.tryAgain)
  }

  /// Ends before what is lost is forgotten.
  static func failUntold() -> Never {
    Terminal.fail("what is lost could not be written to stdout. Run it again to get it")
  }

  /// Makes marker and commit mark fit the store as it is now.
  private func accept(_ location: StoreLocation, _ mending: StoreMending) -> Never {
    let code = mending.hasLosses ? Terminal.failure : 0
    guard let directory = location.dataDirectory else { Terminal.end(code) }
    do throws(DatabaseError) {
      let acceptance = try StoreAcceptance(location, directory: directory)
      var lines = acceptance.problems.map { "problem: \($0)" }
      if acceptance.lostChangeCount > 0 {
        lines.append(
          "lost: the last \(ReportText.count(acceptance.lostChangeCount, "acknowledged change"))")
      }
      if acceptance.isLossUnknown {
        lines.append(
          "lost: whether acknowledged changes are gone cannot be told without COMMITTED; the store ends with change "
            + "\(acceptance.lastSequence)")
      }
      // Before the mark forgets them.
      guard lines.allSatisfy({ Terminal.say($0) }) else { Self.failUntold() }
      guard !acceptance.problems.isEmpty else {
        if !mending.isDone { Terminal.say("ok: nothing to repair") }
        Terminal.end(code)
      }
      if dryRun {
        Terminal.say("would take the store as it is")
      } else {
        try acceptance.apply()
        Terminal.say("repaired: the store is taken as it is, and the next start misses nothing")
      }
      Terminal.end(
        acceptance.lostChangeCount > 0 || acceptance.isLossUnknown ? Terminal.failure : code)
    } catch {
      Terminal.fail(error)
    }
  }
}
