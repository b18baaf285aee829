import ArgumentParser
import Schema

/// Compiles the schema a command names; a bad one ends the process with its diagnostics.
enum SchemaInput {
  static func compile(
    _ path: String, includeDirectories: [String], databaseName: DatabaseName = .standard
  ) async -> CompiledSchema {
    do throws(SchemaError) {
      let compiler = SchemaCompiler(
        includeDirectories: includeDirectories, databaseName: databaseName)
      let schema = try await compiler.compile(path)
      for warning in schema.warnings { Terminal.warn(warning) }
      return schema
    } catch {
      fail(error)
    }
  }

  /// Diagnostics stand alone on their lines, as compilers print them, so that editors find the place.
  static func fail(_ error: SchemaError) -> Never {
    if case .invalid(let diagnostics) = error {
      for diagnostic in diagnostics { Terminal.warn("\(diagnostic)") }
      Terminal.end(Terminal.badSchema)
    }
    Terminal.fail("\(error)")
  }
}
