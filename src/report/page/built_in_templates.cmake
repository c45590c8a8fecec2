# Writes OUTPUT, the C++ of built_in_templates() (page/template.h), from the files of TEMPLATES.
list(SORT TEMPLATES)
set(_entries "")
foreach(_template ${TEMPLATES})
  get_filename_component(_name ${_template} NAME)
  file(READ ${_template} _text)
  string(APPEND _entries "    {\"${_name}\", R\"template(${_text})template\"},\n")
endforeach()
file(WRITE ${OUTPUT} "#include \"report/page/template.h\"

namespace fer_ddp {

const std::vector<BuiltInTemplate>& built_in_templates() {
  static const std::vector<BuiltInTemplate> kTemplates = {
${_entries}  };
  return kTemplates;
}

}  // namespace fer_ddp
")
