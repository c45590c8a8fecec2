# Writes OUTPUT, the C++ of built_in_tables() (network/table.h), from the files of TABLES: seed_cnn first, the rest by name.
list(SORT TABLES)
list(FILTER TABLES INCLUDE REGEX "[.]json$")
set(_entries "")
foreach(_table ${TABLES})
  get_filename_component(_name ${_table} NAME_WE)
  file(READ ${_table} _text)
  set(_entry "    {\"${_name}\", R\"table(${_text})table\"},\n")
  if(_name STREQUAL "seed_cnn")
    string(PREPEND _entries "${_entry}")
  else()
    string(APPEND _entries "${_entry}")
  endif()
endforeach()
file(WRITE ${OUTPUT} "#include \"network/table.h\"

namespace fer_ddp {

const std::vector<BuiltInTable>& built_in_tables() {
  static const std::vector<BuiltInTable> kTables = {
${_entries}  };
  return kTables;
}

}  // namespace fer_ddp
")
