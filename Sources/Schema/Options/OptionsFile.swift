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
    case index = 2
    case expires = 3
    case watch = 4
    case plural = 5
    case previously = 6
    case embedded = 7
    case number = 8
  }

  /// The numbers of `Index`.
  enum IndexField: UInt32 {
    case fields = 1
    case name = 2
    case unique = 3
    case sparse = 4
    case include = 5
  }

  /// The numbers of `Watch`.
  enum WatchField: UInt32 {
    case keysOnly = 1
    case withOld = 2
    case keepBytes = 3
    case keepHours = 4
  }

  /// The numbers of `FileOptions`.
  enum FileField: UInt32 {
    case dropped = 1
  }

  /// The numbers of `FieldOptions`.
  enum FieldField: UInt32 {
    case index = 1
    case unique = 2
  }

  static let text = """
    // What a schema can say to seandb. It comes with the program: write `import "seandb/options.proto";`.
    syntax = "proto3";

    package seandb;

    import "google/protobuf/descriptor.proto";

    extend google.protobuf.FileOptions {
      // Of the file of the schema itself, not of one that it imports: option (seandb.file) = {dropped: "Cat"};
      FileOptions file = 50731;
    }

    extend google.protobuf.MessageOptions {
      // Of a message whose records are stored: option (seandb.model) = {key: "tenant, -created, id"};
      ModelOptions model = 50731;
    }

    extend google.protobuf.FieldOptions {
      // Of a field of such a message: string email = 2 [(seandb.field).unique = true];
      FieldOptions field = 50731;
    }

    // What becomes of models that are not in the schema any more.
    message FileOptions {
      // Models that are gone, and whose records may go: the next start deletes them.
      repeated string dropped = 1;
    }

    message ModelOptions {
      // The fields that name a record, at most 15: records are ordered by the first one, those with an equal first one
      // by the second, and so on. "-" before a field puts its larger values first. Strings, bytes, bool, enums,
      // integers, Timestamp and Duration. Without it the key is the field pk.
      string key = 1;
      // How records are found by other fields than those of their key; at most 64.
      repeated Index index = 2;
      // The field that says when a record ends: a Timestamp, or an integer, seconds since 1970. From then on it is as
      // if there were no such record, and soon after it is deleted. Not set, or 0: it never ends.
      string expires = 3;
      // Changes of the model's records are kept for a while, and there is a WatchDogs that streams them.
      Watch watch = 4;
      // What several records are called, in the list message and in the names of RPCs. Without it: the name and an "s".
      string plural = 5;
      // The model was called so before: it keeps its records and indexes. Once the database has the new name, it
      // changes nothing more.
      string previously = 6;
      // A type that other messages use, whose records are not stored although it has a field pk.
      bool embedded = 7;
      // The number of the model's field in Transaction.Write. Without it: one that follows from the model's name, or
      // from that in previously.
      uint32 number = 8;
    }

    // A way to find records: {fields: "breed, -age"} gives GetDogsByBreedAge and StreamDogsByBreedAge.
    message Index {
      // The fields, as in a key; float and double are allowed too. "address.city" is a field of a message in a field.
      // One field on the way may be repeated: a record is found by each of its elements.
      string fields = 1;
      // What the RPCs are called by. Without it: the fields, as in "breed_age".
      string name = 2;
      // No two records have the same values. A record in which one of the fields is not set may always be stored. There
      // is a DeleteDogsByBreedAge as well.
      bool unique = 3;
      // Records in which one of the fields is not set are left out. So are those in which it has its default, when it
      // cannot be told from not set.
      bool sparse = 4;
      // Other fields that are kept in the index, so that a query for them reads nothing else: "name, photo.url", or "*"
      // for all.
      string include = 5;
    }

    // Changes that are kept for those that watch: {keep_bytes: 67108864} keeps up to 64 MiB of them.
    message Watch {
      // A change has the key of its record alone.
      bool keys_only = 1;
      // A change has the record as it was before, too, for those that ask for it.
      bool with_old = 2;
      // Bytes of changes that are kept, at least 65536; the oldest go first. Without it: 1 GiB.
      uint64 keep_bytes = 3;
      // Hours that a change is kept, at most. Without it: 24.
      uint32 keep_hours = 4;
    }

    // An index on one field.
    message FieldOptions {
      // Records are found by the field.
      bool index = 1;
      // They are, and no two of them have the same value in it.
      bool unique = 2;
    }

    """
}
