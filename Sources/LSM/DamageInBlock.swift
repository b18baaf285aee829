/// What is wrong in a part of a file, without the place, which only the caller knows.
package struct DamageInBlock: Error {
  /// How the bytes differ; whoever knows file and offset completes it.
  package let kind: DamageKind

  init(_ kind: DamageKind) { self.kind = kind }

  /// The error, once file and offset are known.
  func located(path: String, offset: UInt64) -> LSMError {
    .corruption(LSMError.Damage(path: path, offset: offset, kind))
  }
}
