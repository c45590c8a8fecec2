fer_ddp_test(synthetic_faces_test
  SOURCES ${TEST_DIR}/face_grid.cpp ${TEST_DIR}/synthetic_faces.cpp
  LINKS fer_ddp_data fer_ddp_report PNG::PNG)
