/// A name in a client's certificate, with its kind: `URI:spiffe://example.org/billing`, `DNS:billing.internal`, or
/// `CN:billing` of an old one.
enum CertificateName {
  private static let kinds = ["DNS:", "URI:", "CN:"]

  /// Whether a text names one.
  static func isValid(_ text: String) -> Bool {
    guard let kind = kinds.first(where: text.hasPrefix) else { return false }
    let name = text.dropFirst(kind.count)
    return !name.isEmpty && name.utf8.count <= 512
      && name.unicodeScalars.allSatisfy { $0.value > 0x20 && $0.value != 0x7F }
  }

  /// The one spelling that names are compared in: DNS knows no case.
  static func normal(_ name: String) -> String {
    name.hasPrefix("DNS:") ? "DNS:" + name.dropFirst(4).lowercased() : name
  }
}
