pub fn print(_plan: &evenkeel_plan::Plan) -> String {
    String::new()
}
