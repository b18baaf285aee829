import Access
import Logging
import Schema
import Wire

/// What a configuration says of who may do what, read for a schema.
struct AccessSettings {
  private let path: String?
  private let contents: [UInt8]
  /// Nil when everybody may do everything.
  let control: AccessControl?
  let audit: AuditLog?

  /// Blocks on disk I/O.
  init(
    _ configuration: ServerConfiguration, _ schema: CompiledSchema, _ logger: Logger
  ) throws(ServerError) {
    path = configuration.accessFile
    var read: (policy: AccessPolicy, contents: [UInt8])?
    if let path {
      do throws(AccessError) {
        let contents = try AccessPolicy.contents(of: path)
        let models = schema.models.map(AccessModel.init)
        read = (try AccessPolicy(contents, path: path, models: models), contents)
      } catch {
        throw .access(error)
      }
    }
    var audit: AuditLog?
    if let file = configuration.auditFile { audit = try AuditLog(path: file, logger: logger) }
    self.audit = audit
    contents = read?.contents ?? []
    control = read.map {
      AccessControl(
        $0.policy, service: schema.serviceName, models: schema.models,
        takesExposedTokens: configuration.isInsecure, audit: audit)
    }
  }

  /// What takes the file anew when it changes.
  func watch(
    _ configuration: ServerConfiguration, _ server: GRPCServer, _ logger: Logger
  ) -> AccessFileWatch? {
    guard let path, let control else { return nil }
    return AccessFileWatch(
      path, contents: contents, configuration.fileCheckMilliseconds, control: control,
      server: server, logger: logger)
  }
}
