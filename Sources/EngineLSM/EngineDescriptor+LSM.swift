package import Engine
import LSM

extension EngineDescriptor {
  /// Our own log-structured merge tree, in Swift.
  package static let lsm = EngineDescriptor(
    name: "lsm",
    files: StoreFileNames(
      current: "CURRENT", manifestPrefix: "MANIFEST-", logSuffix: ".log", tableSuffix: ".table"),
    likeness: likenessToLSM,
    isLocked: { _ in
      // Its repair takes the store's lock.
      false
    },
    untoldRepairs: { RepairReport.untoldFiles(POSIXFileSystem(), directory: $0) },
    open: { directory, options throws(EngineError) in
      try LSMEngine(directory: directory, options: options)
    })

  @Sendable private static func likenessToLSM(of names: [String]) -> StoreLikeness {
    if names.contains(where: { $0.hasSuffix(".table") }) { return .certain }
    let isStore = names.contains { $0 == "CURRENT" || $0.hasPrefix("MANIFEST-") }
    return isStore ? .possible : .none
  }
}
