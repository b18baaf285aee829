import ArgumentParser
import Schema

/// `--name`, of the commands that compile a schema to serve it.
struct NameOption: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "What clients know the database by: NAME.proto, service Name, and package NAME when the schema has none (default: database).",
      valueName: "name"))
  var name: String?

  var databaseName: DatabaseName { name.flatMap(DatabaseName.init) ?? .standard }

  func validate() throws {
    if let name, DatabaseName(name) == nil {
      throw ValidationError(
        "--name takes 1 to 64 lower-case letters, digits and _, the first one a letter, such as "
          + "pet_clinic; \"\(name.prefix(80))\" is no such name")
    }
  }
}
