package import Platform

/// Somebody whom an access file knows, by a token or a certificate.
package struct Principal: Equatable, Sendable {
  /// The `id` of a token; the name in a certificate, with its kind: `DNS:billing.internal`.
  package let id: String
  /// May everything, what later servers can do too.
  package let isAdmin: Bool
  /// From when on it is not known any more.
  package let expires: Timestamp?
  /// A bit for each right, see ``AccessAction/bit(ofModel:)``.
  let rights: [UInt64]
}

/// What somebody is recognised by.
enum Identity: Hashable {
  case token(TokenHash)
  /// A name of a certificate, see ``Principal/id``.
  case certificate(String)
}
