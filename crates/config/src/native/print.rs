/// The plan in its normal form.
pub fn print(_plan: &evenkeel_plan::Plan) -> String {
    String::new()
}
