/// The file that a schema imports to say more than protobuf can: it comes with the program, and need not be fetched.
enum OptionsFile {
  /// Its import path.
  static let path = "seandb/options.proto"
  /// Of the extensions: free for uses within an organisation (google/protobuf/descriptor.proto), until there is one of
  /// our own.
  static let extensionNumber = 50731

  /// The numbers of `ModelOptions`. Those that are not here are kept for what is to come.
  enum ModelField: UInt32 {
    case key = 1
    case plural = 5
    case embedded = 7
  }

  static let text = """
    // What a schema can say to seandb. It comes with the program: write `import "seandb/options.proto";`.
    syntax = "proto3";

    package seandb;

    import "google/protobuf/descriptor.proto";

    extend google.protobuf.MessageOptions {
      // Of a message whose records are stored: option (seandb.model) = {key: "tenant, -created, id"};
      ModelOptions model = 50731;
    }

    message ModelOptions {
      // The fields that name a record, at most 15: records are ordered by the first one, those with an equal first one
      // by the second, and so on. "-" before a field puts its larger values first. Strings, bytes, bool, enums,
      // integers, Timestamp and Duration. Without it the key is the field pk.
      string key = 1;
      // What several records are called, in the list message and in the names of RPCs. Without it: the name and an "s".
      string plural = 5;
      // A type that other messages use, whose records are not stored although it has a field pk.
      bool embedded = 7;
    }

    """
}
