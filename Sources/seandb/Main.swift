import ArgumentParser
import Glibc
import Server
import Synchronization

// SAFETY: the path is constant text, which ends with NUL.

/// One program, two faces: with a schema at its end it is that schema's server, else the `seandb` tool.
@main
enum Main {
  static func main() async {
    // A client that goes away must not take the server along.
    signal(SIGPIPE, SIG_IGN)
    // Swift's threads look at each other there, about once a second, and the process dies when they cannot.
    guard unsafe access("/proc/self/task", F_OK) == 0 else {
      Terminal.fail(
        "there is no /proc, which this program's threads need; mount it: mount -t proc proc /proc")
    }
    if let limit = OpenFileLimit.raise(), limit < OpenFileLimit.commandMinimum {
      Terminal.fail(
        "this process may open \(limit) files, which is too few. Raise the limit: ulimit -n 4096")
    }
    if let limit = AddressSpaceLimit.current(), limit < AddressSpaceLimit.commandMinimumBytes {
      Terminal.fail(
        "this process may have \(limit >> 20) MiB of address space, and needs at least "
          + "\(AddressSpaceLimit.commandMinimumBytes >> 20) MiB. Lift the limit: ulimit -v unlimited"
      )
    }
    do {
      let arguments = try ProgramArguments.read()
      if let schema = try EmbeddedSchema.load() {
        EmbeddedServerCommand.schema.withLock { $0 = schema }
        await CommandRunner.run(EmbeddedServerCommand.self, arguments)
      } else {
        await CommandRunner.run(SeandbCommand.self, arguments)
      }
    } catch let failure as ProgramArguments.Failure {
      Terminal.fail("\(failure)", code: CommandRunner.badUsage)
    } catch {
      Terminal.fail("\(error)")
    }
  }
}

/// The `seandb` tool.
struct SeandbCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "seandb",
    abstract: "Makes a database server from schema.proto.",
    discussion: """
      Every message of the schema with a `string pk` is a model. `create` writes out/server, a program \
      that serves them, and out/database.proto, for clients in any language.
      """,
    version: "0.1.0",
    subcommands: [
      CreateCommand.self, ServeCommand.self, CheckCommand.self, InspectCommand.self,
      VerifyCommand.self, RepairCommand.self, TokenCommand.self,
    ])
}
