//! What the levels of test share: documents, books, the proxy in a simulated network, and the
//! proxy as a process. It proves nothing by itself.

pub mod books;
pub mod documents;
pub mod process;
pub mod seams;
