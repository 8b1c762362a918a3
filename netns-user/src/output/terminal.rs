//! The size of the terminal.

/// Columns and rows of a terminal that does not know its size, such as a serial console.
const USUAL: (u16, u16) = (80, 24);

/// Columns and rows of the terminal; 80 and 24 if they are unknown or there is no terminal.
#[must_use]
pub fn size() -> (u16, u16) {
    // `crossterm::terminal::size` would run tput(1) if there is no terminal.
    let size = crossterm::terminal::window_size();
    known(size.map_or((0, 0), |size| (size.columns, size.rows)))
}

/// Columns of the terminal.
#[must_use]
pub fn width() -> usize {
    size().0.into()
}

fn known((columns, rows): (u16, u16)) -> (u16, u16) {
    (if columns == 0 { USUAL.0 } else { columns }, if rows == 0 { USUAL.1 } else { rows })
}

#[cfg(test)]
mod tests {
    use super::known;

    #[test]
    fn unknown_columns_or_rows_have_the_usual_number() {
        assert_eq!(known((0, 0)), (80, 24));
        assert_eq!(known((0, 50)), (80, 50));
        assert_eq!(known((132, 0)), (132, 24));
        assert_eq!(known((132, 50)), (132, 50));
    }
}
