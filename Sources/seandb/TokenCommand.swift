import Access
import ArgumentParser
import Platform

/// `seandb token`.
struct TokenCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "token", abstract: "Makes tokens for the access file of a server.",
    subcommands: [TokenCreateCommand.self])
}

/// `seandb token create`.
struct TokenCreateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "create",
    abstract: "Prints a new token, once, and the table for the access file that knows it.",
    discussion: """
      The first line is the token: it is for the client, which sends it as `authorization: Bearer TOKEN`, and is kept \
      nowhere. The lines after it are for the access file; they have only the token's hash.
      """)

  @Argument(help: "Who the token is for, as refusals and the audit log name it.")
  var id: String

  @Option(help: "The roles of the access file that it has, separated by commas.")
  var roles = ""

  @Option(
    parsing: .unconditional,
    help: "When it ends: 2027-01-01, or 2027-01-01T08:00:00Z. Never when left out.")
  var expires: Given<ExpirationDate>?

  private var roleNames: [String] {
    roles.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
  }

  func validate() throws {
    guard AccessName.isValid(id) else { throw ValidationError("ID takes \(AccessName.rule)") }
    guard roles.isEmpty || roleNames.allSatisfy(AccessName.isValid) else {
      throw ValidationError("--roles takes names of \(AccessName.rule), separated by commas")
    }
    try expires?.value(of: "--expires")
  }

  func run() async throws {
    let token = AccessToken.make()
    Terminal.say(token.text)
    Terminal.say("")
    Terminal.say(
      token.table(
        id: id, roles: roles.isEmpty ? [] : roleNames, expires: expires?.value.moment))
    Terminal.end(0)
  }
}

/// `--expires`.
struct ExpirationDate: FlagValue {
  let moment: Timestamp

  init(flag text: String) throws(FlagProblem) {
    guard let moment = Timestamp(text) ?? Timestamp(text + "T00:00:00Z") else {
      throw FlagProblem(
        "takes a date, such as 2027-01-01, or a time, such as 2027-01-01T08:00:00Z; "
          + FlagProblem.notOne(text))
    }
    guard moment > .coarse() else { throw FlagProblem("takes a date to come; \(text) is past") }
    self.moment = moment
  }

  var flagText: String { moment.text }
}
